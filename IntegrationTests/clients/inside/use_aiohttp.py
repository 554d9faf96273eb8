"""aiohttp: it looks at the environment when the session says trust_env."""

import asyncio

import aiohttp

from probe import BEARER, BODY, PASSWORD, URL, case, reason_of


def run(work):
    async def main():
        async with aiohttp.ClientSession(trust_env=True) as session:
            return await work(session)
    return asyncio.run(main())


async def get(session, url, **options):
    async with session.get(url, **options) as response:
        return await response.json()


@case
def allowed():
    return run(lambda session: get(session, URL["web"] + "/hello"))["hello"]


@case
def plain():
    return run(lambda session: get(session, URL["plain"] + "/hello"))["hello"]


@case
def bearer():
    return run(lambda session: get(session, URL["web"] + "/private", headers=BEARER))


@case
def basic():
    return run(lambda session: get(session, URL["web"] + "/basic", headers={"authorization": aiohttp.encode_basic_auth("user", PASSWORD)}))


@case
def compressed():
    return len(run(lambda session: get(session, URL["web"] + "/compressed"))["hello"])


@case
def parallel():
    async def work(session):
        answers = await asyncio.gather(*[get(session, URL["web"] + "/hello") for _ in range(40)])
        return sorted({answer["hello"] for answer in answers})
    return run(work)


@case
def upload():
    async def pieces():
        for start in range(0, len(BODY), 70_000):
            yield BODY[start:start + 70_000]

    async def work(session):
        async with session.post(URL["web"] + "/upload", data=pieces()) as response:
            return (await response.json())["bytes"] == len(BODY)
    return run(work)


@case
def events():
    async def work(session):
        async with session.get(URL["web"] + "/events/5") as response:
            return [line.decode().strip() async for line in response.content if line.strip()]
    return run(work)


@case
def websocket():
    async def work(session):
        async with session.ws_connect(URL["socket"], headers=BEARER, max_msg_size=0) as socket:
            first = await socket.receive_json()
            await socket.send_bytes(BODY)
            return [first["authorized"], await socket.receive_bytes() == BODY]
    return run(work)


@case
def denied():
    return reason_of(lambda: run(lambda session: get(session, URL["denied"] + "/hello")))


@case
def redirected():
    """A session that looks at no environment is redirected to the gateway."""
    async def main():
        async with aiohttp.ClientSession() as session:
            return await get(session, URL["web"] + "/hello")
    return asyncio.run(main())["hello"]
