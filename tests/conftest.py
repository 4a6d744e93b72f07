"""What all tests share: the real S3 servers, started when a test first asks for one."""

from tests.servers.s3 import minio, versitygw

__all__ = ["minio", "versitygw"]
