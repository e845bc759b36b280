"""What a team would write instead, made for `benchmarks/run` and for nothing else.

The peers keep the same rows with the same foreign keys (`schema.sql`) and do the same visible steps
as the service: they check the token, fetch the user, and insert an upload, sign a version's URL,
list 50 rows or record what HEAD found. They check nothing more, and must not serve anyone.
"""
