"""What a node of RabbitMQ itself says of a queue: what it holds, delivered or not.

A client is told only what is not delivered, and the node's statistics are seconds old.
"""

from __future__ import annotations

import atexit
import os
import subprocess
from functools import cache
from urllib.parse import urlsplit

from sandbox.wait import Answer, wait_until
from tests.queues import brokers
from tests.queues.processes import PATH, program

# Reads names of queues, a line each, and answers with a number: all messages of the queue and of
# those with its retries. A message that moves between them is in one of them whenever it is read.
ASK = r"""
Count = fun(Name) ->
  case rpc:call(Node, ra, local_query, [{Name, Node}, fun rabbit_fifo:query_messages_total/1]) of
    {ok, {_, Number}, _} -> Number;
    % It has just started, and has not read its log; of retries it may have gone.
    {error, _} -> throw(unknown)
  end
end,
Waiting = fun(Queue) ->
  Before = Count(list_to_atom(Queue)),
  All = rpc:call(Node, erlang, registered, []),
  Pattern = Queue ++ "-later-[0-9]+$",
  Retries = [Name || Name <- All, re:run(atom_to_list(Name), Pattern) =/= nomatch],
  Later = lists:sum([Count(Name) || Name <- Retries]),
  max(Before, Later + Count(list_to_atom(Queue)))
end,
Sync = fun() -> [rpc:call(Node, dets, sync, [T]) || T <- rpc:call(Node, dets, all, [])], 0 end,
Loop = fun Loop() ->
  case io:get_line("") of
    eof -> halt();
    "sync\n" -> io:format("~p~n", [Sync()]), Loop();
    Line ->
      io:format("~p~n", [catch Waiting("%2F_" ++ string:trim(Line))]),
      Loop()
  end
end,
Loop().
"""


class Node:
    """A conversation with a node, by another one."""

    def __init__(self, url: str) -> None:
        port = urlsplit(url).port
        assert port is not None
        name, environ = brokers.rabbitmq_node(port)
        self._process = subprocess.Popen(
            [
                *(program("erl", "rabbitmq-server"), "-noshell", "-hidden", "-start_epmd", "false"),
                *("-sname", f"asks-{os.getpid()}-{port}@localhost"),
                *(
                    "-setcookie",
                    brokers.COOKIE,
                    "-kernel",
                    "inet_dist_use_interface",
                    "{127,0,0,1}",
                ),
                *("-eval", f"Node = '{name}', {ASK}"),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"PATH": PATH, "ERL_CRASH_DUMP_SECONDS": "0", **environ},
            text=True,
        )
        self._number = 0
        atexit.register(self.close)

    def waiting(self, queue: str) -> int:
        """Messages of a queue that are not settled."""
        wait_until("the node has read the queue", lambda: self._ask(queue), 60)
        return self._number

    def _ask(self, queue: str) -> Answer:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(queue, file=self._process.stdin, flush=True)
        said = self._process.stdout.readline().strip()
        if said != "unknown":
            self._number = int(said)
        return Answer(said != "unknown", said)

    def sync(self) -> None:
        """Have it write the names of its queues.

        RabbitMQ 3.10 does so about a second after it has said that there is one; if it is killed
        before, the queue cannot be started again.
        """
        self._ask("sync")

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


@cache
def node_of(url: str) -> Node:
    """The node of a URL."""
    return Node(url)
