"""Token endpoints: /oauth/token (RFC 6749 §4.4) and /api/v3/app/installations/ID/access_tokens (GitHub's).

FOLDER/oauth.json holds {"id", "secret"}; FOLDER/github-app.pem the public key that the app's JWT is checked with. Each token is new and is
written into FOLDER/tokens, one on a line. FOLDER/token-status, if there, is the status of every answer.
"""

import base64
import datetime
import json
import secrets
import time
import urllib.parse

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding


def decoded(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def check_assertion(folder, authorization):
    """Whether a JWT is RS256, made by the key, holds for less than ten minutes and is for the app."""
    token = authorization.removeprefix("Bearer ")
    header, payload, signature = token.split(".")
    if json.loads(decoded(header)) != {"alg": "RS256", "typ": "JWT"}:
        return "header"
    key = serialization.load_pem_public_key((folder / "github-app.pem").read_bytes())
    try:
        key.verify(decoded(signature), f"{header}.{payload}".encode(), padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return "signature"
    claims, now = json.loads(decoded(payload)), time.time()
    if claims["iss"] != "4711" or not isinstance(claims["iat"], int):
        return "claims"
    if not claims["iat"] <= now < claims["exp"] <= claims["iat"] + 600:
        return "time"
    return None


def make_token(folder, prefix):
    token = prefix + secrets.token_hex(16)
    with open(folder / "tokens", "a", encoding="utf-8") as log:
        log.write(token + "\n")
    return token


def serve(handler, folder, body):
    status = folder / "token-status"
    if status.exists():
        return handler.answer(int(status.read_text()), b'{"message":"no"}')
    path = handler.path.split("?")[0]
    if path == "/oauth/token":
        return serve_oauth(handler, folder, body)
    problem = check_assertion(folder, handler.headers.get("authorization", ""))
    if problem or path != "/api/v3/app/installations/815/access_tokens" or handler.command != "POST":
        return handler.answer(401, json.dumps({"message": problem or "path"}).encode())
    expires = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
    answer = {"token": make_token(folder, "ghs_"), "expires_at": expires.strftime("%Y-%m-%dT%H:%M:%SZ"), "permissions": {}}
    return handler.answer(201, json.dumps(answer).encode())


def serve_oauth(handler, folder, body):
    client = json.loads((folder / "oauth.json").read_text())
    fields = dict(urllib.parse.parse_qsl(body.decode()))
    scheme, _, credential = handler.headers.get("authorization", "").partition(" ")
    if scheme == "Basic":
        given = [urllib.parse.unquote(part) for part in base64.b64decode(credential).decode().split(":")]
    else:
        given = [fields.get("client_id"), fields.get("client_secret")]
    if given != [client["id"], client["secret"]] or fields.get("grant_type") != "client_credentials":
        return handler.answer(401, b'{"error":"invalid_client"}')
    answer = {"access_token": make_token(folder, "oat_"), "token_type": "Bearer", "expires_in": 3600, "scope": fields.get("scope", "")}
    return handler.answer(200, json.dumps(answer).encode())
