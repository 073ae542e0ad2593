"""What Prometheus may count: a registry of our own, read when somebody looks."""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

Counts = Callable[[], Mapping[str, int]]


class Tally(Collector):
    """A counter that is kept elsewhere, by one label."""

    def __init__(self, name: str, about: str, label: str, counts: Counts) -> None:
        self._name = name
        self._about = about
        self._label = label
        self._counts = counts

    def describe(self) -> Iterator[CounterMetricFamily]:
        """Say what will be there, without counting."""
        yield CounterMetricFamily(self._name, self._about, labels=[self._label])

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Count."""
        family = CounterMetricFamily(self._name, self._about, labels=[self._label])
        for value, count in self._counts().items():
            family.add_metric([value], count)
        yield family


class Count(Collector):
    """A counter that is kept elsewhere, and set when somebody looks."""

    def __init__(self, name: str, about: str) -> None:
        self._name = name
        self._about = about
        self.value = 0

    def describe(self) -> Iterator[CounterMetricFamily]:
        """Say what will be there."""
        yield CounterMetricFamily(self._name, self._about)

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Tell the count."""
        yield CounterMetricFamily(self._name, self._about, value=self.value)


class Metrics:
    """Tallies that grow where things happen, and gauges that are set when somebody looks."""

    def __init__(self, callbacks: Counts, turns: Counts) -> None:
        self.registry = CollectorRegistry()
        self._tally("bot_callbacks", "Callbacks by what became of them.", callbacks)
        self._tally("bot_turns", "Turns that ended, by outcome.", turns)
        self.running = self._gauge("bot_turns_running", "Turns that run now.")
        self.queued = self._gauge("bot_turns_queued", "Turns that wait in a lane.")
        self.deliveries = self._gauge("bot_deliveries", "Deliveries by state.", "state")
        self.database_bytes = self._gauge(
            "bot_database_bytes", "Size of the database with its log."
        )
        self.memory_bytes = self._gauge("bot_memory_bytes", "Resident memory of the service.")
        self.memory_blocks = self._gauge(
            "bot_memory_blocks", "Blocks of memory that Python has in use."
        )
        self._of_channels()
        self._of_opencode()
        self._of_watchdogs()

    def _of_channels(self) -> None:
        self.channel_up = self._gauge("bot_channel_up", "1: WeCom reaches us by it.", "channel")
        self.connection_opened = self._count(
            "bot_connection_opened", "Times that the long connection was opened."
        )
        self.connection_kicks = self._count(
            "bot_connection_kicks", "Times that another connection of the bot took its place."
        )

    def _of_opencode(self) -> None:
        self.opencode_up = self._gauge("bot_opencode_up", "1: OpenCode is ready.")
        self.opencode_restarts = self._count(
            "bot_opencode_restarts", "Restarts of the managed server."
        )
        self.opencode_memory = self._gauge(
            "bot_opencode_memory_bytes", "What the managed server and its children hold."
        )
        self.feed_connected = self._gauge("bot_feed_connected", "1: the event feed is connected.")
        self.feed_reconnects = self._count(
            "bot_feed_reconnects", "Times that the event feed was connected anew."
        )

    def _of_watchdogs(self) -> None:
        self.tripped = self._gauge(
            "bot_watchdog_tripped", "1: this watchdog sees a trouble.", "watchdog"
        )
        self.stalled = self._gauge("bot_turns_stalled", "Running turns that give no sign.")
        self.lanes_leaked = self._gauge(
            "bot_lanes_leaked", "Lanes without turns, and turns without a lane."
        )
        self.bubbles_closed = self._count(
            "bot_bubbles_leaked", "Bubbles that nobody else would have closed."
        )
        self.outbox_age = self._gauge(
            "bot_outbox_age_seconds", "Age of the oldest answer that is due or on its way."
        )
        self.lag = self._gauge(
            "bot_loop_lag_seconds", "How late the event loop was in the last minute.", "of"
        )

    def _tally(self, name: str, about: str, counts: Counts) -> None:
        self.registry.register(Tally(name, about, "outcome", counts))

    def _count(self, name: str, about: str) -> Count:
        count = Count(name, about)
        self.registry.register(count)
        return count

    def _gauge(self, name: str, about: str, *labels: str) -> Gauge:
        return Gauge(name, about, labels, registry=self.registry)
