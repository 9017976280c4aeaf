"""The MQTT 5 connection: a thin shell around paho-mqtt that never blocks the loop it lives in.

Name look-up, TCP and TLS can take many seconds, so each attempt runs in a thread of its own; from then on the
socket belongs to the caller's selector and everything happens in the caller's thread. Each connection has a new
client object: nothing is left over from a former one, what must be sent again comes from the ledger.
"""

import contextlib
import logging
import selectors
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from agent.settings.schema import Uplink as UplinkSettings
from agent.uplink.backoff import Backoff
from agent.uplink.connection import Arrived, Connected, ConnectionEvent, Lost, Taken
from agent.uplink.envelope import farewell
from agent.vocabulary.messages import Topics

_LOG = logging.getLogger(__name__)

_SESSION_EXPIRY_S = 3600
"""Commands wait this long at the broker for a pile that is away."""
_WILL_DELAY_S = 30
_HANDSHAKE_S = 15.0
_PROVEN_S = 30.0
"""A connection that lasts this long is a good one; only then does the back-off restart."""
_MAXIMUM_INCOMING_BYTES = 65536
_INCOMING_WINDOW = 20


def explained(error: Exception, settings: UplinkSettings) -> str:
    """Why an attempt failed, for people."""
    place = f"{settings.host}:{settings.port}"
    if isinstance(error, socket.gaierror):
        return f"name {settings.host} is unknown"
    if isinstance(error, ConnectionRefusedError):
        return f"{place} refuses connections"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate of {place} is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS with {place} failed: {getattr(error, 'reason', None) or error}"
    if isinstance(error, ConnectionResetError):
        return f"{place} drops the connection: check uplink.port and uplink.tls"
    if isinstance(error, TimeoutError):
        return f"{place} does not answer"
    if isinstance(error, FileNotFoundError):
        return f"certificate or key file is missing ({error.filename or 'see uplink.ca_file'})"
    if isinstance(error, PermissionError):
        return f"certificate or key file may not be read ({error.filename or 'see uplink.key_file'})"
    if isinstance(error, OSError):
        return f"{place}: {error.strerror or error}"
    return f"{place}: {error}"


class MqttConnection:
    """Connects, and connects again for ever. ``turn`` drives it, ``events`` drains what has happened."""

    def __init__(
        self,
        settings: UplinkSettings,
        *,
        client_id: str,
        will: tuple[str, bytes],
        subscriptions: tuple[str, ...],
        selector: selectors.BaseSelector,
        draw: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._client_id = client_id
        self._will = will
        self._subscriptions = subscriptions
        self._selector = selector
        self._draw = draw
        self._backoff = Backoff()
        self._events: deque[ConnectionEvent] = deque()
        self._client: Client | None = None
        self._attempt: threading.Thread | None = None
        self._outcome: deque[Client | Exception] = deque(maxlen=1)
        self._registered: Any = None
        self._retry_at_s = float("-inf")
        self._deadline_s = float("inf")
        self._next_misc_s = float("-inf")
        self._proven_s = float("inf")
        self._connected = False
        self._closing = False

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted this connection."""
        return self._connected

    def events(self) -> list[ConnectionEvent]:
        """What has happened since the last call, in sequence."""
        drained = list(self._events)
        self._events.clear()
        return drained

    def next_due(self, now_s: float) -> float:
        """When ``turn`` wants to be called at the latest."""
        if self._attempt is not None:
            return now_s + 0.1
        if self._client is None:
            return self._retry_at_s
        return min(self._next_misc_s, self._deadline_s)

    # Connecting.

    def turn(self, now_s: float) -> None:
        """Connect if it is time; look after the connection."""
        if self._attempt is not None:
            self._look_at_attempt(now_s)
        elif self._client is None:
            if now_s >= self._retry_at_s and not self._closing:
                self._outcome.clear()
                self._attempt = threading.Thread(target=self._connect, name="mqtt-connect", daemon=True)
                self._attempt.start()
        elif not self._connected and now_s >= self._deadline_s:
            self._lose("the broker does not complete the handshake", now_s)
        elif now_s >= self._next_misc_s:
            self._next_misc_s = now_s + 1.0
            if now_s >= self._proven_s:
                self._backoff.reset()
            self._drive(now_s, lambda client: client.loop_misc())
        self._look_at_client(now_s)

    def _connect(self) -> None:
        """Runs in its own thread and touches nothing but its own client."""
        try:
            client = self._new_client()
            code = client.reconnect()
            if code is not MQTTErrorCode.MQTT_ERR_SUCCESS:
                raise OSError(str(code))
            sock = client.socket()
            if isinstance(sock, socket.socket):
                # Small messages in a row: without this each waits up to 40 ms for the acknowledgement of TCP.
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except Exception as error:
            self._outcome.append(error)
        else:
            self._outcome.append(client)

    def _new_client(self) -> Client:
        settings = self._settings
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,
        )
        client.suppress_exceptions = True
        # Who hands messages in keeps to the window; paho's own limit must not queue behind its back.
        client.max_inflight_messages = settings.window + 64
        client.max_queued_messages = settings.window + 64
        if settings.tls:
            client.tls_set(settings.ca_file, settings.certificate_file, settings.key_file)
        will_properties = _properties(PacketTypes.WILLMESSAGE)
        will_properties.WillDelayInterval = _WILL_DELAY_S
        client.will_set(*self._will, qos=1, properties=will_properties)
        client.on_connect = self._guarded(self._on_connect)
        client.on_disconnect = self._guarded(self._on_disconnect)
        client.on_publish = self._guarded(self._on_publish)
        client.on_message = self._guarded(self._on_message)
        client.on_subscribe = self._guarded(self._on_subscribe)
        client.on_socket_close = self._guarded(self._on_socket_close)
        properties = _properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = _SESSION_EXPIRY_S
        properties.MaximumPacketSize = _MAXIMUM_INCOMING_BYTES
        properties.ReceiveMaximum = _INCOMING_WINDOW
        client.connect_async(
            settings.host, settings.port, settings.keep_alive_s, clean_start=False, properties=properties
        )
        return client

    def _look_at_attempt(self, now_s: float) -> None:
        if self._attempt is None or self._attempt.is_alive():
            return
        self._attempt = None
        outcome: Client | Exception = self._outcome.pop() if self._outcome else OSError("the attempt ended early")
        if isinstance(outcome, Exception):
            self._lose(explained(outcome, self._settings), now_s)
            return
        self._client = outcome
        self._deadline_s = now_s + _HANDSHAKE_S
        self._proven_s = now_s + _PROVEN_S
        self._next_misc_s = now_s + 1.0
        self._watch()

    def _look_at_client(self, now_s: float) -> None:
        """The client may have dropped its socket in any call."""
        if self._client is not None and self._client.socket() is None and not self._closing:
            self._lose("connection lost", now_s)

    def _lose(self, reason: str, now_s: float) -> None:
        client, self._client = self._client, None
        already_told = any(isinstance(event, Lost) for event in self._events)
        self._connected = False
        self._retry_at_s = now_s + self._backoff.next_s(self._draw())
        if client is not None:
            self._unwatch()
            client.on_disconnect = None
            sock = client.socket()
            if sock is not None:
                with contextlib.suppress(OSError):
                    sock.close()
        if not already_told:
            self._events.append(Lost(reason))

    def drop(self, reason: str, now_s: float) -> None:
        """Give this connection up and try again later."""
        if self._client is not None:
            self._lose(reason, now_s)

    # The socket.

    def _watch(self) -> None:
        client = self._client
        sock = None if client is None else client.socket()
        if client is None or sock is None:
            self._unwatch()
            return
        mask = selectors.EVENT_READ | (selectors.EVENT_WRITE if client.want_write() else 0)
        if self._registered is not sock:
            self._unwatch()
            self._selector.register(sock, mask, self)
            self._registered = sock
        elif self._selector.get_key(sock).events != mask:
            self._selector.modify(sock, mask, self)

    def _unwatch(self) -> None:
        registered, self._registered = self._registered, None
        if registered is not None:
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(registered)

    def ready(self, mask: int, now_s: float) -> None:
        """The selector reports that the socket is readable or writable."""
        if mask & selectors.EVENT_READ:
            if isinstance(self._registered, socket.socket):
                # Brokers mostly hold back a second small packet until the first is acknowledged by TCP, which a
                # receiver delays by 40 ms: acknowledge at once. The kernel forgets this, so it is asked each time.
                self._registered.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            self._drive(now_s, _read)
        if mask & selectors.EVENT_WRITE:
            self._drive(now_s, lambda client: client.loop_write())

    def _drive(self, now_s: float, action: Callable[[Client], object]) -> None:
        client = self._client
        if client is None:
            return
        try:
            action(client)
        except Exception as error:
            # paho raises whatever its parser stumbles over: a broker that sends rubbish is left alone.
            self._lose(f"the broker breaks the protocol: {error!r}", now_s)
            return
        self._look_at_client(now_s)
        if self._client is not None:
            self._watch()

    def publish(self, topic: str, payload: bytes, now_s: float, *, correlation: bytes | None = None) -> int | None:
        """Hand a message with acknowledgement to the connection. Returns its id, None if there is no room."""
        if self._client is None or not self._connected:
            return None
        properties = None
        if correlation is not None:
            properties = _properties(PacketTypes.PUBLISH)
            properties.CorrelationData = correlation
        message_ids: list[int] = []

        def act(client: Client) -> None:
            info = client.publish(topic, payload, qos=1, properties=properties)
            if info.rc is MQTTErrorCode.MQTT_ERR_SUCCESS:
                message_ids.append(info.mid)

        self._drive(now_s, act)
        return message_ids[0] if message_ids else None

    def close(self, now_s: float) -> None:
        """Disconnect normally: the broker does not publish the will."""
        self._closing = True
        if self._client is not None and self._connected:
            self._drive(now_s, lambda client: client.disconnect())
        self._unwatch()
        self._client, self._connected = None, False

    # Callbacks of paho: they only note what has happened.

    def _guarded(self, callback: Callable[..., None]) -> Callable[..., None]:
        """What a callback raises ends in paho's hands, where it is lost: logged here, and the connection given up."""

        def call(*arguments: Any) -> None:
            try:
                callback(*arguments)
            except Exception:
                _LOG.exception("in %s", callback.__name__)
                self._events.append(Lost("internal error"))

        return call

    def _on_connect(
        self, client: Client, _: Any, __: ConnectFlags, code: ReasonCode, properties: Properties | None
    ) -> None:
        if client is not self._client:
            return
        if code.is_failure:
            self._events.append(Lost(f"the broker refuses this pile: {code}"))
            return
        if getattr(properties, "MaximumQoS", 2) < 1:
            self._events.append(Lost("the broker does not acknowledge messages (maximum QoS 0)"))
            return
        self._connected = True
        self._deadline_s = float("inf")
        self._events.append(
            Connected(getattr(properties, "ReceiveMaximum", None), getattr(properties, "MaximumPacketSize", None))
        )

    def subscribe(self, now_s: float) -> None:
        """Ask for the topics of this pile."""
        self._drive(now_s, lambda client: client.subscribe([(topic, 1) for topic in self._subscriptions]))

    def _on_subscribe(self, _: Client, __: Any, ___: int, codes: list[ReasonCode], ____: Any) -> None:
        for topic, code in zip(self._subscriptions, codes, strict=False):
            if code.is_failure:
                _LOG.warning("the broker refuses the subscription to %s: %s", topic, code)

    def _on_disconnect(self, client: Client, _: Any, flags: DisconnectFlags, code: ReasonCode, __: Any) -> None:
        if client is not self._client or self._closing:
            return
        who = "the broker ended the connection" if flags.is_disconnect_packet_from_server else "connection lost"
        if not any(isinstance(event, Lost) for event in self._events):
            self._events.append(Lost(f"{who}: {code}"))

    def _on_publish(self, client: Client, _: Any, message_id: int, code: ReasonCode, __: Any) -> None:
        if client is self._client:
            self._events.append(Taken(message_id, str(code) if code.is_failure else ""))

    def _on_message(self, _: Client, __: Any, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            return
        properties = message.properties
        self._events.append(
            Arrived(
                topic,
                bytes(message.payload),
                getattr(properties, "ResponseTopic", None),
                getattr(properties, "CorrelationData", None),
            )
        )

    def _on_socket_close(self, _: Client, __: Any, sock: Any) -> None:
        if sock is self._registered:
            self._unwatch()


def pile_connection(
    settings: UplinkSettings,
    pile_id: str,
    topics: Topics,
    boot_id: str,
    *,
    selector: selectors.BaseSelector,
    draw: Callable[[], float],
) -> MqttConnection:
    """The connection of a pile: its will is a farewell that is not graceful, it subscribes commands and watermarks.

    ``draw`` gives random numbers from 0 to 1 for the waiting times.
    """
    return MqttConnection(
        settings,
        client_id=pile_id,
        will=(topics.birth, farewell(boot_id=boot_id, graceful=False)),
        subscriptions=(topics.command, topics.watermark),
        selector=selector,
        draw=draw,
    )


def _properties(packet_type: int) -> Properties:
    """An empty set of MQTT 5 properties."""
    return Properties(packet_type)  # type: ignore[no-untyped-call]  # paho has no types here


def _read(client: Client) -> None:
    """Read all there is; TLS may hold decrypted bytes that the selector cannot see."""
    while client.loop_read() is MQTTErrorCode.MQTT_ERR_SUCCESS:
        pending = getattr(client.socket(), "pending", None)
        if pending is None or pending() == 0:
            return
