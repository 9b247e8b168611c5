"""Made-up guests, whose bookings are told as Sirvoy tells them. Nobody and nothing here is real."""
