// Staff's first page follows what happens.

import { renew } from "./takeover.js";

const EVERY_MS = 15_000;

const follow = () => document.hidden || renew();

setInterval(follow, EVERY_MS);
document.addEventListener("visibilitychange", follow);
