# Stands in for chrislusf/seaweedfs where that can't be pulled: the program that the embedded servers use.
FROM scratch
COPY weed /usr/bin/weed
WORKDIR /tmp
WORKDIR /data
EXPOSE 8333
ENTRYPOINT ["/usr/bin/weed"]
