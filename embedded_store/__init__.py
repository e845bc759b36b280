"""The embedded store: OpenStack Swift and its S3 API as one process, for development and tests.

Start it with ``python -m embedded_store --data DIR``. It needs Linux and a file
system with user extended attributes, and knows nothing of Django.

Importing this package imports neither Swift nor eventlet: Swift replaces parts of the standard
library (monkey patching), which only the store's own process may suffer.
"""
