# Replaces apache/kafka where that image can't be pulled. It has the same environment settings and port.
FROM waterhole-test-base
COPY libs /opt/kafka/libs
COPY kafka.sh /opt/kafka/kafka.sh
EXPOSE 9092
ENTRYPOINT ["sh", "/opt/kafka/kafka.sh"]
