"""boto3 with nothing but the environment's placeholders for a key: the gateway signs each request again."""

import io
import os
import urllib.error
import urllib.request

import boto3
import botocore.exceptions
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

from probe import BODY, URL, case, denial, reason_of


def client(name, url=URL["signed"], prefix="AWS", **options):
    return boto3.client(
        name, endpoint_url=url, region_name="us-east-1", aws_access_key_id=os.environ[prefix + "_ACCESS_KEY_ID"],
        aws_secret_access_key=os.environ[prefix + "_SECRET_ACCESS_KEY"],
        config=Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"}, **options))


def code_of(function):
    """What the service, or the gateway, says of a call that fails."""
    try:
        function()
    except botocore.exceptions.ClientError as error:
        return error.response["Error"]["Code"]
    return "no error"


# As a program does that was told nothing.
store = boto3.client("s3", endpoint_url=URL["signed"], region_name="us-east-1", config=Config(s3={"addressing_style": "path"}))


@case
def environment():
    name = os.environ["AWS_ACCESS_KEY_ID"]
    return [name[:4], len(name)]


@case
def objects():
    store.create_bucket(Bucket="own")
    store.put_object(Bucket="own", Key="a key/with spaces+", Body=BODY, ContentType="text/plain; charset=utf-8", Metadata={"a": "b  c"})
    back = store.get_object(Bucket="own", Key="a key/with spaces+")["Body"].read()
    return [back == BODY, [entry["Key"] for entry in store.list_objects_v2(Bucket="own")["Contents"]]]


@case
def stream():
    """From a stream, so with a checksum in the trailer and the payload unsigned."""
    store.upload_fileobj(io.BytesIO(BODY), "own", "stream")
    out = io.BytesIO()
    store.download_fileobj("own", "stream", out)
    return out.getvalue() == BODY


@case
def parts():
    """In several parts at once."""
    body = BODY * 3
    store.upload_fileobj(io.BytesIO(body), "own", "parts", Config=TransferConfig(multipart_threshold=1 << 20, multipart_chunksize=5 << 20))
    return store.head_object(Bucket="own", Key="parts")["ContentLength"] == len(body)


@case
def queries():
    """Parameters whose spelling has to be the same on both sides."""
    for name in ("a b", "c+d/e"):
        store.put_object(Bucket="own", Key="q/" + name, Body=b"x")
    found = [store.list_objects_v2(Bucket="own", Prefix="q/" + name)["Contents"] for name in ("a b", "c+d/e")]
    return [entries[0]["Key"].removeprefix("q/") for entries in found]


@case
def identity():
    """A service whose requests do not state the hash of their body."""
    return client("sts", prefix="AWS_STS").get_caller_identity()["Account"]


@case
def another_key():
    """A key that is nobody's placeholder goes out as it is, and is worth nothing there."""
    other = boto3.client(
        "s3", endpoint_url=URL["signed"], region_name="us-east-1", aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
        aws_secret_access_key="not-a-real-key", config=Config(s3={"addressing_style": "path"}))
    return code_of(other.list_buckets)


@case
def another_service():
    """The placeholder for one service is good for no other."""
    return reason_of(client("sts").get_caller_identity)


@case
def presigned():
    url = store.generate_presigned_url("get_object", Params={"Bucket": "own", "Key": "stream"})
    try:
        urllib.request.urlopen(url)
    except urllib.error.HTTPError as error:
        return denial(error.read().decode())
    return "no error"


@case
def denied():
    return reason_of(lambda: client("s3", URL["denied"], connect_timeout=5).list_buckets())
