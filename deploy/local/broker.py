"""The embedded Kafka broker: the one inside librdkafka, in memory, on a free loopback port.

`python -m deploy.local.broker ADDRESS_FILE` writes `host:port` to the file when it answers, and serves until SIGTERM.

confluent-kafka for Python starts that broker but can't configure it, so this module calls librdkafka's C functions
(declared in its `rdkafka.h` and `rdkafka_mock.h`) in the library that the package contains.
"""

import ctypes
import signal
import sys
from pathlib import Path

import confluent_kafka

PRODUCER = 0
ERROR_BYTES = 512
# Time that a group waits for more members before it assigns partitions, ms. The default is 3 s; here every group has
# one member.
REBALANCE_DELAY_MS = 0


def library() -> ctypes.CDLL:
    """Load the librdkafka that confluent-kafka contains."""
    package = Path(confluent_kafka.__file__).parent
    for pattern in ("confluent_kafka.libs/librdkafka*", "confluent_kafka/.dylibs/librdkafka*"):
        for path in sorted(package.parent.glob(pattern)):
            return ctypes.CDLL(str(path))
    sys.exit(f"can't find librdkafka beside {package}; is confluent-kafka installed from a wheel?")


def start() -> str:
    """Start a broker that runs as long as this process; return its address."""
    kafka = library()
    for name in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_handle_mock_cluster"):
        getattr(kafka, name).restype = ctypes.c_void_p
    kafka.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    error = ctypes.create_string_buffer(ERROR_BYTES)
    settings = ctypes.c_void_p(kafka.rd_kafka_conf_new())
    for setting, value in ((b"test.mock.num.brokers", b"1"), (b"bootstrap.servers", b"none")):
        if kafka.rd_kafka_conf_set(settings, setting, value, error, ctypes.c_size_t(ERROR_BYTES)) != 0:
            sys.exit(f"librdkafka refused a setting: {error.value.decode()}")
    client = kafka.rd_kafka_new(PRODUCER, settings, error, ctypes.c_size_t(ERROR_BYTES))
    if not client:
        sys.exit(f"librdkafka did not start: {error.value.decode()}")
    cluster = ctypes.c_void_p(kafka.rd_kafka_handle_mock_cluster(ctypes.c_void_p(client)))
    kafka.rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, ctypes.c_int32(REBALANCE_DELAY_MS))
    address: bytes = kafka.rd_kafka_mock_cluster_bootstraps(cluster)
    return address.decode()


def main() -> None:
    address_file = Path(sys.argv[1])
    address = start()
    # Written atomically, because the supervisor reads the file as soon as it exists.
    partial = address_file.with_suffix(".partial")
    partial.write_text(address)
    partial.replace(address_file)
    print(f"the Kafka broker listens on {address}", flush=True)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    main()
