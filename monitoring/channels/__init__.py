"""Which Zigbee channel each area should use: `band` says what covers what, `plan` chooses, `page` shows."""
