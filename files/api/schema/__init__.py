"""OpenAPI 3.1 of the API, by drf-spectacular, from what the views, fields and errors say.

Only `views` is imported at the start; it imports the rest, and with it drf-spectacular, when
somebody asks for the schema.
"""
