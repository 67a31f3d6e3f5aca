"""A stand-in for the `users` command of the gateway. It refuses the tier "refused"."""

import argparse
import json
import os
import sys

parser = argparse.ArgumentParser()
parser.add_argument("--tier")
parser.add_argument("--name")
options = parser.parse_args()
if options.tier == "refused":
    sys.exit("there is no such tier")
user = {"user_id": options.name, "tier": options.tier, "api_key": f"sk_{os.environ['WATERHOLE_API_KEY_PEPPER']}"}
sys.stdout.write(json.dumps(user) + "\n")
