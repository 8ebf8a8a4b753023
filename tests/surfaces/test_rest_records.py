"""The derived REST surface, shown on teams: the plainest entity there is."""

from uuid import uuid4

from nexus.runtime.testing import Harness
from nexus.services.auth.entities import Team

TEAMS = "/api/v1/auth/teams"


async def test_create_answers_the_record_with_its_place_and_version(tenant: Harness) -> None:
    made = await tenant.api("POST", TEAMS, {"name": "Sales", "key": "sales"})

    assert made.status == 201
    body = made.json()
    assert (body["name"], body["key"], body["version"]) == ("Sales", "sales", 1)
    assert made.headers["location"] == f"{TEAMS}/{body['id']}"
    assert made.headers["etag"] == '"1"'
    assert (await tenant.api("GET", made.headers["location"])).json() == body


async def test_a_create_is_one_round_trip(tenant: Harness) -> None:
    before = tenant.statistics.round_trips
    assert (await tenant.api("POST", TEAMS, {"name": "Sales", "key": "sales"}, idempotency_key="one")).status == 201
    assert tenant.statistics.round_trips - before == 1


async def test_refuses_an_unknown_field_by_name(tenant: Harness) -> None:
    refused = await tenant.api("POST", TEAMS, {"name": "Sales", "key": "sales", "colour": "red"})

    assert refused.status == 422
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["errors"] == [{"field": "colour", "message": "there is no such field"}]
    assert await tenant.count(Team) == 0


async def test_refuses_a_taken_value_and_names_the_field(tenant: Harness) -> None:
    await tenant.api("POST", TEAMS, {"name": "Sales", "key": "sales"})
    refused = await tenant.api("POST", TEAMS, {"name": "Other", "key": "sales"})

    assert (refused.status, refused.json()["field"]) == (409, "key")
    assert await tenant.count(Team) == 1


async def test_the_same_key_is_answered_again_and_done_once(tenant: Harness) -> None:
    first = await tenant.api("POST", TEAMS, {"name": "Sales", "key": "sales"}, idempotency_key="k")
    again = await tenant.api("POST", TEAMS, {"name": "Sales", "key": "sales"}, idempotency_key="k")
    other = await tenant.api("POST", TEAMS, {"name": "Else", "key": "else"}, idempotency_key="k")

    assert (again.status, again.json()["id"]) == (201, first.json()["id"])
    assert again.headers["idempotency-replayed"] == "true"
    assert (other.status, other.json()["type"]) == (409, "/problems/key-reused")
    assert await tenant.count(Team) == 1


async def test_patch_needs_the_version_that_was_read(tenant: Harness) -> None:
    made = await tenant.api("POST", TEAMS, {"name": "Sales", "key": "sales"})
    place = made.headers["location"]

    assert (await tenant.api("PATCH", place, {"name": "A"})).status == 428
    changed = await tenant.api("PATCH", place, {"name": "A"}, if_match='"1"')
    assert (changed.status, changed.headers["etag"], changed.json()["name"]) == (200, '"2"', "A")
    late = await tenant.api("PATCH", place, {"name": "B"}, if_match='"1"')
    assert (late.status, late.json()["now"]) == (412, 2)
    assert (await tenant.api("GET", place)).json()["name"] == "A"


async def test_delete_archives_and_restore_brings_back(tenant: Harness) -> None:
    made = await tenant.api("POST", TEAMS, {"name": "Sales", "key": "sales"})
    place = made.headers["location"]

    assert (await tenant.api("DELETE", place, if_match="*")).status == 200
    assert (await tenant.api("GET", TEAMS)).json()["items"] == []
    assert len((await tenant.api("GET", f"{TEAMS}?archived=true")).json()["items"]) == 1
    assert (await tenant.api("POST", f"{place}/restore")).status == 200
    assert len((await tenant.api("GET", TEAMS)).json()["items"]) == 1


async def test_a_page_ends_where_it_should_whatever_its_records_say(tenant: Harness) -> None:
    hostile = ['a\n {"b', "}, \n {", '"]\n', "\\n", "\u2028\r\n"]
    await tenant.given(*[Team(name=name, key=f"team-{n}") for n, name in enumerate(hostile)])
    for limit in (1, 2, 3, 4, 5, 6):
        seen: list[str] = []
        cursor = ""
        while True:
            page = (await tenant.api("GET", f"{TEAMS}?limit={limit}&sort=key{cursor}")).json()
            assert len(page["items"]) == min(limit, len(hostile) - len(seen))
            seen += [item["name"] for item in page["items"]]
            if page["next_cursor"] is None:
                break
            cursor = f"&cursor={page['next_cursor']}"
        assert seen == hostile


async def test_what_is_asked_twice_is_refused_also_of_a_cursor(tenant: Harness) -> None:
    await tenant.given(*[Team(name="A", key=f"team-{n}") for n in range(3)])
    cursor = (await tenant.api("GET", f"{TEAMS}?limit=1")).json()["next_cursor"]

    answer = await tenant.api("GET", f"{TEAMS}?limit=1&cursor={cursor}&cursor={cursor}")

    assert answer.status == 400
    assert "cursor" in answer.json()["detail"]


async def test_pages_follow_one_another_without_gap_or_overlap(tenant: Harness) -> None:
    await tenant.given(*[Team(name=f"Team {n % 3}", key=f"team-{n:02}") for n in range(11)])
    for sort in ("-id", "id", "name", "-name,key", "created_at"):
        seen: list[str] = []
        cursor = ""
        while True:
            page = (await tenant.api("GET", f"{TEAMS}?limit=4&sort={sort}{cursor}")).json()
            seen += [item["key"] for item in page["items"]]
            if page["next_cursor"] is None:
                break
            cursor = f"&cursor={page['next_cursor']}"
        assert len(seen) == 11
        assert len(set(seen)) == 11


async def test_filters_sorts_searches_and_counts(tenant: Harness) -> None:
    await tenant.given(Team(name="Blue whales", key="blue"), Team(name="Red foxes", key="red"), Team(name="Grey wolves", key="grey"))

    async def keys(query: str) -> list[str]:
        return [item["key"] for item in (await tenant.api("GET", f"{TEAMS}?sort=key&{query}")).json()["items"]]

    assert await keys("key=red") == ["red"]
    assert await keys("key[in]=red,grey") == ["grey", "red"]
    assert await keys("q=whal") == ["blue"]
    assert await keys("name[contains]=OX") == ["red"]
    assert await keys('where={"or":[{"key":"blue"},{"not":{"name":{"starts":"R"}}}]}') == ["blue", "grey"]
    assert (await tenant.api("GET", f"{TEAMS}?limit=1&count=exact")).json()["count"] == 3


async def test_what_cannot_be_read_is_refused_and_says_what_to_change(tenant: Harness) -> None:
    for query, status, field in (
        ("nme=x", 422, "nme"),
        ("name[like]=x", 422, "name[like]"),
        ("limit=0", 422, "limit"),
        ("limit=501", 422, "limit"),
        ("sort=tags", 422, "sort"),
        ("expand=owner", 422, "expand"),
        ("fields=nope", 422, "fields"),
        ("created_at[gt]=yesterday", 422, "created_at[gt]"),
        ("where={", 422, "where"),
        ("cursor=%00", 400, ""),
        ("q=", 422, "q"),
        ("q=%27%26!", 422, "q"),
        ("name=%ff", 400, ""),
    ):
        refused = await tenant.api("GET", f"{TEAMS}?{query}")
        assert refused.status == status, query
        if field:
            assert refused.json()["errors"][0]["field"] == field


async def test_sql_in_any_field_is_only_text(tenant: Harness) -> None:
    for hostile in ("'; DROP TABLE auth_team; --", "$1", "{s}", ":me", "\\", "%", "a\u2028b", "🦊"):
        made = await tenant.api("POST", TEAMS, {"name": hostile, "key": f"k{uuid4().hex}"})
        assert (made.status, made.json()["name"]) == (201, hostile)
        found = await tenant.api("GET", f"{TEAMS}?name[contains]={hostile.encode().hex(' ').replace(' ', '%').join(['%', ''])}")
        assert [item["name"] for item in found.json()["items"]] == [hostile]


async def test_bodies_that_are_not_json_are_malformed(tenant: Harness) -> None:
    for body in (b"", b"[", b"\xff\xfe", b'{"name": "\\ud800"}', b"[" * 100_000):
        refused = await tenant.api("POST", TEAMS, body)
        assert refused.status in (400, 422), body[:10]
    nul = await tenant.api("POST", TEAMS, {"name": "a\0b", "key": "nul"})
    assert nul.status == 422
    assert await tenant.count(Team) == 0


async def test_head_is_get_without_the_body_and_options_says_what_there_is(tenant: Harness) -> None:
    made = await tenant.api("POST", TEAMS, {"name": "Sales", "key": "sales"})
    place = made.headers["location"]
    got, head = await tenant.api("GET", place), await tenant.api("HEAD", place)

    assert (head.status, head.body, head.headers["etag"]) == (200, b"", '"1"')
    assert head.headers["content-length"] == str(len(got.body))
    options = await tenant.api("OPTIONS", place)
    assert (options.status, options.headers["allow"]) == (204, "GET, PATCH, DELETE, HEAD, OPTIONS")
    assert (await tenant.api("OPTIONS", f"{place}/restore")).headers["allow"] == "POST, OPTIONS"
    refused = await tenant.api("PUT", place, {"name": "A"})
    assert (refused.status, refused.headers["allow"]) == (405, "GET, PATCH, DELETE, HEAD, OPTIONS")


async def test_a_change_sent_again_under_its_key_answers_what_it_answered_first(tenant: Harness) -> None:
    """The repetition carries the version of before the first one: that must not make it a refusal."""
    made = (await tenant.api("POST", TEAMS, {"name": "Sales", "key": f"k{uuid4().hex}"})).json()
    path, key = f"{TEAMS}/{made['id']}", uuid4().hex

    first = await tenant.api("PATCH", path, {"name": "Sales & service"}, if_match='"1"', idempotency_key=key)
    again = await tenant.api("PATCH", path, {"name": "Sales & service"}, if_match='"1"', idempotency_key=key)

    assert (first.status, again.status) == (200, 200)
    assert (again.json(), again.headers["etag"]) == (first.json(), '"2"')
    assert again.headers["idempotency-replayed"] == "true"
    for _ in range(2):
        gone = await tenant.api("DELETE", path, if_match='"2"', idempotency_key=key + "x")
        assert (gone.status, gone.headers["etag"]) == (200, '"3"')
    stale = await tenant.api("PATCH", path, {"name": "Other"}, if_match='"1"', idempotency_key=key + "y")
    assert stale.status == 412


async def test_a_count_says_whether_it_is_exact(tenant: Harness) -> None:
    await tenant.api("POST", f"{TEAMS}/bulk", {"items": [{"name": "T", "key": f"k{n}"} for n in range(10_000)]})
    await tenant.api("POST", TEAMS, {"name": "U", "key": "u"})

    async def counted(query: str) -> tuple[int, str]:
        body = (await tenant.api("GET", f"{TEAMS}?limit=1&{query}")).json()
        return body["count"], body["count_is"]

    assert await counted("count=exact") == (10_001, "exact")
    assert await counted("count=estimated") == (10_000, "at_least")
    assert await counted("count=estimated&name=T") == (10_000, "exact")
    assert await counted("count=exact&q=u") == (1, "exact")
    assert "count" not in (await tenant.api("GET", f"{TEAMS}?limit=1")).json()


async def test_a_write_takes_no_parameter_but_a_dry_run(tenant: Harness) -> None:
    for said, field in (("dryrun=true", "dryrun"), ("dry_run=yes", "dry_run"), ("dry_run=", "dry_run")):
        refused = await tenant.api("POST", f"{TEAMS}?{said}", {"name": "A", "key": "a"})
        assert (refused.status, refused.json()["errors"][0]["field"]) == (422, field)
    assert await tenant.count(Team) == 0


async def test_numbers_and_moments_that_cannot_be_kept_are_refused_by_name(tenant: Harness) -> None:
    for value in ("NaN", "Infinity", "1e999999999", "-1e400000"):
        refused = await tenant.api("POST", "/api/v1/crm/accounts", {"name": "A", "annual_revenue": value, "currency": "NGN"})
        assert (refused.status, refused.json()["errors"][0]["field"]) == (422, "annual_revenue")
    for value in ("1e30", "0.001", "-1"):
        refused = await tenant.api("POST", "/api/v1/crm/accounts", {"name": "A", "annual_revenue": value, "currency": "NGN"})
        assert (refused.status, refused.json()["errors"][0]["field"]) == (422, "annual_revenue")
