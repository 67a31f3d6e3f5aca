"""Waterhole on one machine, without Docker or root: embedded Kafka, MongoDB and S3 servers under a supervisor.

`stack` defines which processes run and with which environment, `servers` starts the three servers, `supervisor` keeps
the processes running, `log_view` shows their logs, and `data_folder` holds files that are kept between runs. `client`
and `demo` use the running stack only through its public REST API.
"""
