"""boto3: objects, tokens and tables. Uploads wait for 100 Continue and carry checksums behind the body."""

import io

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

from probe import BODY, URL, case, reason_of


def client(name, url=URL["buckets"], **options):
    return boto3.client(
        name, endpoint_url=url, region_name="us-east-1", aws_access_key_id="AKIAIOSFODNN7EXAMPLE", aws_secret_access_key="not-a-real-key",
        config=Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"}, **options))


store = client("s3")


@case
def identity():
    return client("sts").get_caller_identity()["Account"]


@case
def objects():
    store.create_bucket(Bucket="probe")
    store.put_object(Bucket="probe", Key="a key/with spaces+", Body=BODY)
    back = store.get_object(Bucket="probe", Key="a key/with spaces+")["Body"].read()
    return [back == BODY, [entry["Key"] for entry in store.list_objects_v2(Bucket="probe")["Contents"]]]


@case
def stream():
    """From a stream, so with a checksum in the trailer."""
    store.upload_fileobj(io.BytesIO(BODY), "probe", "stream")
    out = io.BytesIO()
    store.download_fileobj("probe", "stream", out)
    return out.getvalue() == BODY


@case
def parts():
    """In several parts at once."""
    body = BODY * 3
    store.upload_fileobj(io.BytesIO(body), "probe", "parts", Config=TransferConfig(multipart_threshold=1 << 20, multipart_chunksize=5 << 20))
    return store.head_object(Bucket="probe", Key="parts")["ContentLength"] == len(body)


@case
def missing():
    try:
        store.get_object(Bucket="probe", Key="none")
    except store.exceptions.NoSuchKey as error:
        return error.response["Error"]["Code"]
    return "no error"


@case
def table():
    tables = client("dynamodb")
    tables.create_table(
        TableName="probe", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}], BillingMode="PAY_PER_REQUEST")
    tables.put_item(TableName="probe", Item={"id": {"S": "a"}, "value": {"N": "7"}})
    return tables.get_item(TableName="probe", Key={"id": {"S": "a"}})["Item"]["value"]["N"]


@case
def denied():
    return reason_of(lambda: client("s3", URL["denied"], connect_timeout=5).list_buckets())
