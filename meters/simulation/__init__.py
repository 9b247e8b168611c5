"""A simulated campsite: seven Zigbee2MQTT instances as they look from MQTT. Uses no database and none of our models."""
