"""The second peer: plain Django, Django REST framework, the minio SDK. Served as WSGI."""
