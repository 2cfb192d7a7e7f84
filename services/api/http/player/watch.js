// The watch page. `look` asks the api again and again what the stream is; while it is live, a player plays it: hls.js,
// or the browser itself where it has no Media Source (iPhone) or hls.js was not set up. What is wrong is told in words
// that come with the page. Nothing here ever needs a reload.
"use strict";

const main = document.querySelector("main"), video = document.querySelector("video");
const message = document.getElementById("message"), notes = document.getElementById("notes");
const sound = document.getElementById("sound");
const words = JSON.parse(main.dataset.words), address = main.dataset.hls;
const here = document.querySelector("script[src$='watch.js']").src;

const ASK_MS = 2000, ASK_PLAYING_MS = 5000, ANSWER_MS = 6000, DRAW_MS = 500;
const MOVING_MS = 1500;   // the picture moves if its time has grown within so long
const STUCK_MS = 8000;    // a picture that stands still for longer gets a new player, or has ended
const JUST_BEFORE_S = 0.15;

const policy = (first_ms, tries) => ({ default: {
  maxTimeToFirstByteMs: first_ms, maxLoadTimeMs: 20000,
  timeoutRetry: { maxNumRetry: tries, retryDelayMs: 0, maxRetryDelayMs: 0 },
  errorRetry: { maxNumRetry: tries, retryDelayMs: 500, maxRetryDelayMs: 2000 },
} });
const CONFIG = {
  workerPath: new URL("hls.worker.js", here).href,
  liveSyncDurationCount: 2,        // play two segments behind the newest
  liveMaxLatencyDurationCount: 4,  // further behind than four, as after a stall: jump back there
  maxLiveSyncPlaybackRate: 1.1,    // less far behind: catch up unnoticed
  maxBufferLength: 12, backBufferLength: 12,
  // `look` begins anew sooner than hls.js would give up: segments may have been taken back.
  manifestLoadPolicy: policy(5000, 1), playlistLoadPolicy: policy(5000, 3), fragLoadPolicy: policy(8000, 2),
};

const PACKET = 188, H264 = 0x1b;

/** The types of the tracks that a segment declares in its first program map (ISO 13818-1, 2.4.4.8). */
function typesOf(bytes) {
  const number = (at, mask) => (bytes[at] & mask) << 8 | bytes[at + 1];
  let map = -1;
  for (let at = 0; at + PACKET <= bytes.length; at += PACKET) {
    const pid = number(at + 1, 0x1f), payload = at + 4 + (bytes[at + 3] & 0x20 ? 1 + bytes[at + 4] : 0);
    const section = payload + 1 + bytes[payload];
    if (pid === 0) map = number(section + 10, 0x1f);
    else if (pid === map) {
      const types = [], end = section + 3 + number(section + 1, 0x0f) - 4;
      let at = section + 12 + number(section + 10, 0x0f);
      for (; at < end; at += 5 + number(at + 3, 0x0f)) types.push(bytes[at]);
      return types.sort();
    }
  }
  return [];
}

/** Plays with hls.js. */
class HlsJs {
  constructor(broken) { this.broken = broken; this.hasSound = null; this.types = null; this.changed = null; }

  begin() {
    const takes = (frag, data) => this.takes(frag, typesOf(new Uint8Array(data)));
    class Loader extends Hls.DefaultConfig.loader {
      load(context, config, callbacks) {
        const onSuccess = (answer, ...more) => {
          if (takes(context.frag, answer.data)) callbacks.onSuccess(answer, ...more);
        };
        super.load(context, config, { ...callbacks, onSuccess });
      }
    }
    this.hls = new Hls({ ...CONFIG, fLoader: Loader });
    this.hls.on(Hls.Events.ERROR, (_, error) => this.onError(error));
    this.hls.on(Hls.Events.MEDIA_ATTACHED, play);
    this.hls.loadSource(address);
    this.hls.attachMedia(video);
  }

  end() { this.hls.destroy(); }

  behindSince() { return this.hls.playingDate ? this.hls.playingDate.getTime() : null; }

  onError(error) {
    if (!error.fatal || this.changed !== null) return;
    if (error.type !== Hls.ErrorTypes.MEDIA_ERROR || this.recovered) { this.broken(); return; }
    this.recovered = true;
    this.hls.recoverMediaError();
  }

  // A media source can't gain or lose sound while it plays: what comes before is played out, then a new one begins.
  // Until then the segment that is another is not hls.js' business.
  takes(frag, types) {
    if (this.changed !== null) return false;
    if (this.types !== null && types.join() !== this.types.join()) {
      this.changed = frag.start;
      queueMicrotask(() => this.hls.stopLoad());
      return false;
    }
    this.types = types;
    this.hasSound = types.some((type) => type !== H264);
    return true;
  }

  // Called often, and whenever the video waits.
  tick() {
    if (this.changed === null || video.seeking) return;
    const left_s = Math.min(this.changed, buffered()) - video.currentTime;
    if (left_s > JUST_BEFORE_S && video.readyState > HTMLMediaElement.HAVE_CURRENT_DATA) return;
    const from_s = this.changed;
    this.changed = this.types = null;
    this.hls.detachMedia();
    this.hls.attachMedia(video);
    this.hls.startLoad(from_s + 0.01);
  }
}

/** The browser plays HLS by itself. */
class Native {
  constructor(broken) { this.broken = broken; }

  get hasSound() { return video.audioTracks && video.readyState ? video.audioTracks.length > 0 : null; }

  begin() {
    video.onerror = () => this.broken();
    video.src = address;
    play();
  }

  end() { video.onerror = null; video.removeAttribute("src"); video.load(); }

  behindSince() {
    const start_ms = video.getStartDate ? video.getStartDate().getTime() : NaN;
    return Number.isFinite(start_ms) ? start_ms + video.currentTime * 1000 : null;
  }

  tick() {}
}

const Engine = (() => {
  if (window.Hls && window.MediaSource && Hls.isSupported()) return HlsJs;
  if (video.canPlayType("application/vnd.apple.mpegurl")) return Native;
  return window.Hls && Hls.isSupported() ? HlsJs : null;
})();

let player = null;
let known = "loading";      // what the api said last
let reached = true;         // the playlist could be loaded when it was asked for last
let finished = false;       // what played here came to its end
let blocked = false;        // the browser plays nothing before somebody presses play
let time_s = 0, moved_ms = 0, ahead_ms = 0;

/** The end of what is there to play on from here, in seconds of the video's time. */
function buffered() {
  const { buffered: ranges, currentTime: now_s } = video;
  for (let i = 0; i < ranges.length; i++) {
    if (ranges.start(i) <= now_s && now_s <= ranges.end(i)) return ranges.end(i);
  }
  return now_s;
}

async function play() {
  try { await video.play(); } catch (error) {
    if (error.name !== "NotAllowedError") return;
    if (video.muted) blocked = true;
    else { video.muted = true; play(); }
  }
}

function begin() {
  player = new Engine(() => { end(); lookIn(ASK_MS / 2); });
  moved_ms = performance.now();
  time_s = 0;
  finished = false;
  player.begin();
}

function end() {
  if (player) player.end();
  player = null;
}

/** Ask the api what the stream is. */
async function ask() {
  try {
    const answer = await fetch(main.dataset.state, { cache: "no-store", signal: AbortSignal.timeout(ANSWER_MS) });
    if (answer.status === 404) return "gone";
    if (!answer.ok) return "away";
    const { state, at_ms } = await answer.json();
    ahead_ms = at_ms - Date.now();
    return state;
  } catch { return "away"; }
}

/** Whether there is something to play: a playlist that goes on. */
async function goesOn() {
  try {
    const answer = await fetch(address, { cache: "no-store", signal: AbortSignal.timeout(ANSWER_MS) });
    reached = true;
    if (!answer.ok) return false;
    const text = await answer.text();
    return text.includes("#EXTINF") && !text.includes("#EXT-X-ENDLIST");
  } catch { reached = false; return false; }
}

function moving() { return player !== null && !video.paused && performance.now() - moved_ms < MOVING_MS && time_s > 0; }

let timer = 0;
async function look() {
  clearTimeout(timer);
  known = await ask();
  const isOn = known === "live" || known === "masked" || known === "away";
  if (Engine && !player && isOn && await goesOn() && !player) begin();
  if (known === "gone") end();
  draw();
  lookIn(moving() ? ASK_PLAYING_MS : ASK_MS);
}

function lookIn(ms) { clearTimeout(timer); timer = setTimeout(look, ms); }

function shown() {
  if (known === "gone") return "gone";
  if (!Engine) return "unable";
  if (moving()) return known === "masked" ? "masked" : "live";
  if (blocked) return "press";
  if (player && video.paused && time_s > 0 && !video.ended) return "paused";
  if (known === "live" || known === "masked") {
    if (player) return time_s > 0 ? "stalled" : "loading";
    return reached ? (finished ? "starting" : "loading") : "hidden";
  }
  return known === "waiting" && finished ? "ended" : known;
}

function note() {
  const since_ms = moving() ? player.behindSince() : null;
  const behind_s = since_ms === null ? null : Math.max(0, (Date.now() + ahead_ms - since_ms) / 1000);
  main.dataset.behind = behind_s === null ? "" : behind_s.toFixed(2);
  const parts = [];
  if (behind_s !== null) parts.push(words.behind.replace("{s}", Math.round(behind_s)));
  if (moving() && player.hasSound === false) parts.push(words.silent);
  return parts.join(", ");
}

function draw() {
  const state = shown();
  main.dataset.shown = state;
  if (message.textContent !== words[state]) message.textContent = words[state];
  notes.textContent = note();
  sound.hidden = !video.muted || !player || player.hasSound === false;
}

function tick() {
  const now_ms = performance.now();
  if (video.currentTime > time_s && video.readyState > HTMLMediaElement.HAVE_CURRENT_DATA) moved_ms = now_ms;
  time_s = video.currentTime;
  if (player) player.tick();
  if (player && !video.paused && now_ms - moved_ms > STUCK_MS) {
    end();
    if (known === "live" || known === "masked") look();
    else finished = true;
  }
  draw();
}

sound.addEventListener("click", () => {
  video.muted = false;
  if (video.volume === 0) video.volume = 1;
  play();
});
video.addEventListener("playing", () => { blocked = false; draw(); });
video.addEventListener("waiting", () => { if (player) player.tick(); });
video.addEventListener("timeupdate", () => { if (player) player.tick(); });
video.addEventListener("ended", () => { finished = true; end(); draw(); });
video.addEventListener("volumechange", draw);
document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
window.addEventListener("online", look);

setInterval(tick, DRAW_MS);
look();
