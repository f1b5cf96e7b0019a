# SPDX-License-Identifier: GPL-3.0-or-later
"""aiosmtpd's server on 127.0.0.1: PORT DIR sink|maildir."""
import asyncio
import os
import sys

from aiosmtpd.handlers import Mailbox, Sink
from aiosmtpd.smtp import SMTP

SIZE_MAX = 64 << 20


async def serve(port, handler):
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(handler, hostname="mx.example", data_size_limit=SIZE_MAX, loop=loop),
        "127.0.0.1", port, backlog=1024)
    async with server:
        await server.serve_forever()


def main():
    port, folder, kind = sys.argv[1:]
    handlers = {"sink": Sink, "maildir": lambda: Mailbox(os.path.join(folder, "maildir"))}
    asyncio.run(serve(int(port), handlers[kind]()))


if __name__ == "__main__":
    main()
