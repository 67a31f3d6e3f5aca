# Replaces mongo where that image can't be pulled: MongoDB's engine as a Node library, behind a TCP port.
FROM waterhole-test-base
COPY node_modules /opt/mongodb/node_modules
COPY mongodb.js /opt/mongodb/mongodb.js
EXPOSE 27017
ENTRYPOINT ["node", "/opt/mongodb/mongodb.js"]
