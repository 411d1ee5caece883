"""An S3 server for tests: moto's, spoken to over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class S3:
    """What stands in the buckets, seen by a client of its own."""

    def __init__(self, url: str) -> None:
        import boto3

        self.url = url
        self.client = boto3.client(
            "s3", endpoint_url=url, aws_access_key_id="id", aws_secret_access_key="secret", region_name="us-east-1"
        )

    def connection(self) -> str:
        """A connection of type ``aws``, as a user of an S3 of their own writes it."""
        extra = {"endpoint_url": self.url, "region_name": "us-east-1"}
        return json.dumps({"conn_type": "aws", "login": "id", "password": "secret", "extra": extra})

    def keys(self, bucket: str) -> list[str]:
        """The objects of a bucket."""
        return [entry["Key"] for entry in self.client.list_objects_v2(Bucket=bucket).get("Contents", [])]

    def read(self, bucket: str, key: str) -> bytes:
        """An object's content."""
        return self.client.get_object(Bucket=bucket, Key=key)["Body"].read()

    def unfinished(self, bucket: str) -> list[dict[str, Any]]:
        """Uploads that were begun and not ended."""
        return self.client.list_multipart_uploads(Bucket=bucket).get("Uploads", [])


@contextmanager
def s3_server() -> Iterator[S3]:
    """A server without buckets, for as long as the block runs."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield S3(f"http://{host}:{port}")
    finally:
        server.stop()
