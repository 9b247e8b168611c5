"""Pages of the areas: what each Zigbee2MQTT is, how it does, and its audit. They show; they decide nothing."""
