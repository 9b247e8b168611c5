// What the server told, kept up to date by its messages. Knows no page. Times are ms since 1970 by the server's clock.

const BEHIND_MS = 5_000;

export class Store {
  boot = "";
  tick = 0;
  worker = { alive: false, connected: false, heartbeat_at: null, until: null };
  areas = new Map();
  meters = new Map();
  devices = [];
  switching = { stop: null, orders: [] }; // the stop in force, people's orders
  #skew = null; // server's clock minus the browser's

  /**
   * Takes over a `snapshot` or a `tick`. Returns what changed: {whole, meters, areas} (ids), and `missed`: a tick got
   * lost before this one, so the whole state should be asked for; `isBehind`: it was long on its way, or the server's
   * clock was set back, which only an exact answer can tell.
   */
  apply(message, localNow, isExact = false) {
    const isBehind = this.#follow(message.now - localNow, isExact);
    const change = message.type === "snapshot" ? this.#takeWhole(message) : this.#takeTick(message);
    return { ...change, isBehind };
  }

  /** The server's time. */
  now(localNow) {
    return localNow + (this.#skew ?? 0);
  }

  #takeWhole(message) {
    const isSameBoot = message.boot === this.boot;
    if (isSameBoot && message.tick < this.tick) return { whole: false, missed: false, meters: [], areas: [] };
    this.boot = message.boot;
    this.tick = message.tick;
    this.worker = message.worker;
    this.areas = new Map(message.areas.map((area) => [area.id, area]));
    this.meters = new Map(message.meters.map((meter) => [meter.id, meter]));
    this.devices = message.devices;
    this.switching = message.switching ?? this.switching;
    return { whole: true, missed: false, meters: [...this.meters.keys()], areas: [...this.areas.keys()] };
  }

  #takeTick(message) {
    const isSameBoot = message.boot === this.boot;
    if (isSameBoot && message.tick <= this.tick) return { whole: false, missed: false, meters: [], areas: [] };
    if (message.whole) return this.#takeWhole(message);
    const missed = !isSameBoot || message.tick !== this.tick + 1;
    this.boot = message.boot;
    this.tick = message.tick;
    this.worker = message.worker;
    this.switching = message.switching ?? this.switching; // null: nothing of it changed
    for (const area of message.areas) this.areas.set(area.id, area);
    for (const meter of message.meters) this.meters.set(meter.id, meter);
    return { whole: false, missed, meters: message.meters.map((m) => m.id), areas: message.areas.map((a) => a.id) };
  }

  // A message that was long on its way (a laptop that slept) would make old things look fresh: it only ever moves our
  // clock ahead. An answer to a quick question of ours is exact and may also set it back.
  #follow(sample, isExact) {
    if (this.#skew === null || isExact || sample > this.#skew) this.#skew = sample;
    return sample < this.#skew - BEHIND_MS;
  }
}
