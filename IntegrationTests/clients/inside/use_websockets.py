"""websockets: both interfaces, big and many messages, a clean end."""

import asyncio
import json

from websockets.asyncio.client import connect as connect_async
from websockets.sync.client import connect

from probe import BEARER, BODY, URL, case, reason_of


@case
def allowed():
    with connect(URL["socket"]) as socket:
        socket.recv()
        socket.send("hello")
        return socket.recv()


@case
def bearer():
    with connect(URL["socket"], additional_headers=BEARER) as socket:
        return json.loads(socket.recv())


@case
def big():
    with connect(URL["socket"], max_size=None) as socket:
        socket.recv()
        socket.send(BODY)
        return socket.recv() == BODY


@case
def many():
    async def work():
        async with connect_async(URL["socket"], additional_headers=BEARER) as socket:
            await socket.recv()
            for number in range(500):
                await socket.send(str(number))
            return [await socket.recv() for _ in range(500)] == [str(number) for number in range(500)]
    return asyncio.run(work())


@case
def pings():
    async def work():
        async with connect_async(URL["socket"]) as socket:
            return await (await socket.ping()) > 0
    return asyncio.run(work())


@case
def closes():
    with connect(URL["socket"]) as socket:
        socket.recv()
        socket.close(1000, "done")
        return [socket.close_code, socket.close_reason]


@case
def denied():
    return reason_of(lambda: connect(URL["socket_denied"]))
