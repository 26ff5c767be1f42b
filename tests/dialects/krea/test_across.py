"""What this API asks for is seen, watched and found through the native one."""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor

from tests.dialects.krea.asking import PNG, SMALL, Address, until_answered, wish
from tests.serving import LiveServer, until


def test_a_request_is_a_job_and_its_image_is_in_the_gallery(
    main: Address, slowly: LiveServer
) -> None:
    def running() -> list[str]:
        found = slowly.client.get("/api/jobs", params={"status": "processing"}).json()["jobs"]
        return [str(job["job_id"]) for job in found]

    with ThreadPoolExecutor(1) as pool, slowly.open("/api/sse/gallery") as gallery:
        asked = pool.submit(main.generate, SMALL)
        until(lambda: bool(running()))
        [job_id] = running()
        with slowly.open(f"/api/sse/{job_id}") as stream:
            *before, last = stream.data()
        answer = asked.result().json()
        arrived = gallery.next()
    assert {shown["total_steps"] for shown in before if shown["step"]} == {20}
    assert (last["status"], last["model"]) == ("completed", "slow")
    assert slowly.snapshot(job_id)["params"]["prompt"] == SMALL["prompt"]
    [image] = last["images"]
    assert f'"filename": "{image["filename"]}"' in arrived["data"].replace('":"', '": "')
    given = base64.b64decode(answer["image"].removeprefix(PNG))
    assert given == slowly.client.get(image["url"]).content
    assert answer["duration"] == image["seconds"]


def test_images_of_the_socket_are_in_the_gallery_too(main: Address, server: LiveServer) -> None:
    with main.socket() as socket:
        wish(socket, "a green field")
        answer = until_answered(socket)[-1]["data"]
    [newest] = server.client.get("/api/images", params={"limit": 1}).json()["images"]
    assert newest["prompt"] == "a green field"
    given = base64.b64decode(answer["image"].removeprefix(PNG))
    assert given == server.client.get(newest["url"]).content
