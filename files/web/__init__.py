"""The pages of the drive: sign-in, the drive itself, and the token that its scripts call with."""
