"""boto3 putting objects from threads: reads a job as JSON from standard input, writes what it took as JSON.

Job: ``endpoint``, ``access_key``, ``secret_key``, ``bucket``, ``prefix``, ``threads``, and either ``count`` objects of ``size``
random bytes each, or the one ``file``, in parts of ``part`` bytes if that is said. Result: ``seconds``, and ``cpu``, this process's
processor seconds meanwhile.
"""

from __future__ import annotations

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config


def main(job: dict[str, Any]) -> dict[str, float]:
    threads = job["threads"]
    config = Config(s3={"addressing_style": "path"}, max_pool_connections=threads, proxies={})
    client = boto3.client(
        "s3",
        endpoint_url=job["endpoint"],
        aws_access_key_id=job["access_key"],
        aws_secret_access_key=job["secret_key"],
        region_name="us-east-1",
        config=config,
    )
    content = os.urandom(job.get("size", 0))

    def put(number: int) -> None:
        client.put_object(Bucket=job["bucket"], Key=f"{job['prefix']}/{number}", Body=number.to_bytes(8, "big") + content[8:])

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(put, range(threads)))  # connections are there, and the bucket's volumes have grown
        began, used = time.perf_counter(), time.process_time()
        if "part" in job:
            parts = TransferConfig(multipart_threshold=job["part"], multipart_chunksize=job["part"], max_concurrency=threads)
            client.upload_file(job["file"], job["bucket"], f"{job['prefix']}/file", Config=parts)
        elif "file" in job:
            with open(job["file"], "rb") as file:
                client.put_object(Bucket=job["bucket"], Key=f"{job['prefix']}/file", Body=file)
        else:
            list(pool.map(put, range(threads, threads + job["count"])))
        return {"seconds": time.perf_counter() - began, "cpu": time.process_time() - used}


if __name__ == "__main__":
    print(json.dumps(main(json.load(sys.stdin))))
