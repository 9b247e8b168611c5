// The line to the server: a socket, and questions by HTTP whenever nothing came for 10 s. Has no timer of its own:
// `beat` is called each second.

const SILENCE_MS = 10_000;
const DEAD_SOCKET_MS = 30_000;
const ASK_AGAIN_MS = 5_000;
const REFRESH_MS = 300_000;
const LONGEST_RETRY_MS = 30_000;
const QUICK_MS = 2_000;

export class Link {
  state = "connecting"; // live, polling, lost, login
  heardAt = 0; // when the last message came, by the browser's clock
  #take;
  #stateUrl;
  #socket = null;
  #socketAt = 0;
  #pushedAt = 0; // when the socket last told something: one that is open may be dead
  #retryAt = 0;
  #retries = 0;
  #askedAt = null;
  #wholeAt;
  #pollAt = 0;
  #isPolling = false;

  /** take(message, isExact) takes a message over and returns {whole, missed, isBehind}. */
  constructor(take, stateUrl, now) {
    this.#take = take;
    this.#stateUrl = stateUrl;
    this.heardAt = this.#wholeAt = now;
  }

  beat(now) {
    if (this.state === "login") return;
    this.#keepSocket(now);
    if (this.#askedAt !== null && now - this.#askedAt > ASK_AGAIN_MS) this.#ask(now);
    if (now - this.#wholeAt > REFRESH_MS && this.#askedAt === null) this.#ask(now);
    if (now - this.heardAt >= SILENCE_MS && now - this.#pollAt >= SILENCE_MS) this.poll(now);
  }

  /** Asks by HTTP. */
  async poll(now) {
    if (this.#isPolling) return;
    this.#isPolling = true;
    this.#pollAt = now;
    try {
      const answer = await fetch(this.#stateUrl, { cache: "no-store", signal: AbortSignal.timeout(8_000) });
      if (answer.status === 403) this.#end("login");
      if (!answer.ok) throw new Error(answer.status);
      this.#receive(await answer.json(), Date.now() - now < QUICK_MS);
    } catch {
      if (this.state !== "login" && Date.now() - this.heardAt >= SILENCE_MS) this.state = "lost";
    } finally {
      this.#isPolling = false;
    }
  }

  #keepSocket(now) {
    const isOpen = this.#socket?.readyState === WebSocket.OPEN;
    if (isOpen && now - Math.max(this.#pushedAt, this.#socketAt) > DEAD_SOCKET_MS) this.#drop(now);
    if (this.#socket === null && now >= this.#retryAt) this.#open(now);
  }

  #open(now) {
    const url = new URL("/ws/board/", location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = (this.#socket = new WebSocket(url));
    this.#socketAt = now;
    socket.onmessage = (event) => {
      this.#retries = 0;
      this.#pushedAt = Date.now();
      this.#receive(JSON.parse(event.data), false);
    };
    socket.onclose = () => this.#drop(Date.now());
  }

  #drop(now) {
    const socket = this.#socket;
    if (socket) {
      socket.onmessage = socket.onclose = null;
      socket.close();
    }
    this.#socket = null;
    this.#askedAt = null;
    this.#retries += 1;
    this.#retryAt = now + Math.min(LONGEST_RETRY_MS, 1000 * 2 ** this.#retries) * (0.5 + Math.random() / 2);
    if (this.state === "live") this.state = "connecting";
  }

  #ask(now) {
    if (this.#socket?.readyState !== WebSocket.OPEN) {
      if (now - this.#pollAt >= SILENCE_MS) this.poll(now);
      return;
    }
    this.#askedAt = now;
    this.#socket.send(JSON.stringify({ type: "snapshot" }));
  }

  #receive(message, isExact) {
    const now = Date.now();
    this.heardAt = now;
    const isOpen = this.#socket?.readyState === WebSocket.OPEN;
    this.state = isOpen && now - this.#pushedAt < SILENCE_MS ? "live" : "polling";
    const { whole, missed, isBehind } = this.#take(message, isExact);
    if (whole) {
      this.#wholeAt = now;
      this.#askedAt = null;
    }
    if (missed && this.#askedAt === null) this.#ask(now);
    if (isBehind && now - this.#pollAt >= SILENCE_MS) this.poll(now);
  }

  #end(state) {
    this.#drop(Date.now());
    this.state = state;
  }
}
