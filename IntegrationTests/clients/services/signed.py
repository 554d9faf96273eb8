"""The same cloud for those who sign as the real key does: each signature is computed again, with the SDK's own signer."""

import hashlib
import io
import re

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError

AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/\d{8}/([^/]+)/([^/]+)/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})")


class Signed:
    """Lets through to a WSGI application what is signed with one of the keys."""

    def __init__(self, application, keys):
        self.application, self.keys = application, keys

    def __call__(self, environ, start_response):
        problem = self.problem(environ)
        if problem is None:
            return self.application(environ, start_response)
        start_response("403 Forbidden", [("content-type", "application/xml"), ("connection", "close")])
        return [f"<?xml version='1.0'?><Error><Code>{problem}</Code><Message>{problem}</Message></Error>".encode()]

    def problem(self, environ):
        fields = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name.startswith("HTTP_")}
        for name in ("content-type", "content-length"):
            value = environ.get(name.upper().replace("-", "_"))
            if value:
                fields[name] = value
        found = AUTHORIZATION.fullmatch(fields.get("authorization", ""))
        if not found:
            return "AccessDenied"
        name, region, service, signed, signature = found.groups()
        if name not in self.keys:
            return "InvalidAccessKeyId"
        names = signed.split(";")
        if "host" not in names or any(field not in names for field in fields if field.startswith("x-amz-")):
            return "AccessDenied"
        body = None
        stated = fields.get("x-amz-content-sha256")
        if stated is None:
            body = environ["wsgi.input"].read(int(fields.get("content-length") or 0))
            environ["wsgi.input"] = io.BytesIO(body)
        request = AWSRequest(
            method=environ["REQUEST_METHOD"], url="https://" + fields["host"] + environ["RAW_URI"], data=body,
            headers={field: fields.get(field, "") for field in names})
        request.context["timestamp"] = fields.get("x-amz-date", "")
        signer = (S3SigV4Auth if service == "s3" else SigV4Auth)(Credentials(name, self.keys[name]), service, region)
        canonical = signer.canonical_request(request)
        if stated is None and not canonical.endswith(hashlib.sha256(body).hexdigest()):
            return "SignatureDoesNotMatch"
        try:
            good = signer.signature(signer.string_to_sign(request, canonical), request)
        except BotoCoreError:
            return "SignatureDoesNotMatch"
        return None if good == signature else "SignatureDoesNotMatch"
