"""`kill -9` of the process while clients post in one journal: what was acknowledged is in the books once, and numbers have no gap."""

from __future__ import annotations

import threading
from typing import Any

from tests.chaos.test_kill import Client, kill
from tests.process.conftest import Nexus, until

ROUNDS = 4
CLIENTS = 4
POSTED = 8


class Bookkeeper(Client):
    """Somebody who posts entries, with a key for each, and sends again what got no answer."""

    entry: dict[str, Any]
    numbers: list[str]

    def run(self) -> None:
        while not self.stop.is_set():
            told = self.insist("POST", "/api/v1/finance/journal_entries/post", self.entry, {})
            if told is not None:
                self.numbers.append(told["number"])


def entry_of(nexus: Nexus, token: str) -> dict[str, Any]:
    _, journals = nexus.ask("GET", "/api/v1/finance/journals?type=general", token=token)
    _, accounts = nexus.ask("GET", "/api/v1/finance/accounts?is_group=false&must_have_party=false&limit=2", token=token)
    _, years = nexus.ask("GET", "/api/v1/finance/fiscal_years", token=token)
    debit, credit = accounts["items"]
    lines = [{"account_id": debit["id"], "debit": "1"}, {"account_id": credit["id"], "credit": "1"}]
    return {"journal_id": journals["items"][0]["id"], "date": years["items"][0]["starts_on"], "lines": lines}


def test_numbers_have_no_gap_whenever_the_process_dies(nexus: Nexus) -> None:
    token = nexus.start().activate()
    stop, entry = threading.Event(), entry_of(nexus, token)
    clients = [Bookkeeper(nexus, token, stop) for _ in range(CLIENTS)]
    for client in clients:
        client.entry, client.numbers = entry, []
    failures: list[BaseException] = []

    def working(client: Bookkeeper) -> None:
        try:
            client.run()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=working, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    try:
        for round in range(ROUNDS):
            goal = sum(client.answered for client in clients) + CLIENTS * POSTED
            until(lambda: bool(failures) or sum(client.answered for client in clients) >= goal, "the clients get on")  # noqa: B023
            assert not failures, failures
            kill(nexus, process=round % 2 == 0)
        until(nexus.ready, "it is ready at last")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failures, failures

    _, companies = nexus.ask("GET", "/api/v1/finance/companies", token=token)
    _, proof = nexus.ask("GET", f"/api/v1/finance/reports/ledger-proof?company_id={companies['items'][0]['id']}", token=token)
    assert [(one["rule"], one["first"]) for one in proof["items"] if not one["holds"]] == []
    _, page = nexus.ask("GET", "/api/v1/finance/journal_entries?limit=1&sort=-sequence&count=exact", token=token)
    acknowledged = [number for client in clients for number in client.numbers]
    assert len(set(acknowledged)) == len(acknowledged), "one entry was acknowledged as two"
    # what was asked when the test ended may have been posted without an answer
    assert 0 <= page["count"] - len(acknowledged) <= CLIENTS
    assert page["items"][0]["sequence"] == page["count"]
