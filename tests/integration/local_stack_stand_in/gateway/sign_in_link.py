"""A stand-in for the `sign_in_link` command of the gateway."""

import argparse
import json
import sys

parser = argparse.ArgumentParser()
parser.add_argument("--user-id")
options = parser.parse_args()
sys.stdout.write(json.dumps({"link_token": f"link-of-{options.user_id}", "expires_at": 1}) + "\n")
