"""Fetch addresses with httpx, and keep what is on no list: ``python check_with_httpx.py policy.yaml URL...``."""

import asyncio
import sys

import httpx

from ingest_guard import GuardPool, Outcome


async def main(policy: str, *urls: str) -> None:
    async with GuardPool.from_policy(policy) as pool, httpx.AsyncClient(follow_redirects=True) as client:
        room = asyncio.Semaphore(pool.limit)

        async def fetch(number: int, url: str) -> None:
            async with room:
                response = await client.get(url)
                # httpx has undone the Content-Encoding.
                verdict = await pool.check(response.content, content_type=response.headers.get("content-type"))
            kept = response.is_success and verdict.outcome is Outcome.NO_KNOWN_MATCH
            print(number, f"{verdict.image.width} x {verdict.image.height}" if kept and verdict.image else "dropped")

        await asyncio.gather(*(fetch(number, url) for number, url in enumerate(urls, 1)))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
