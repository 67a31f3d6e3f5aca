# Stands in for apache/kafka where that can't be pulled: the same settings by environment, the same port.
FROM waterhole-test-base
COPY libs /opt/kafka/libs
COPY kafka.sh /opt/kafka/kafka.sh
EXPOSE 9092
ENTRYPOINT ["sh", "/opt/kafka/kafka.sh"]
