# Replaces chrislusf/seaweedfs where that image can't be pulled. It runs the program of the embedded servers.
FROM scratch
COPY weed /usr/bin/weed
WORKDIR /tmp
WORKDIR /data
EXPOSE 8333
ENTRYPOINT ["/usr/bin/weed"]
