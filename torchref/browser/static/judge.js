// The worker that judges: it starts, says how far it has loaded, answers one question at a time, and is ended when it takes too long.

export class Judge {
  constructor(seconds, onload) {
    this.seconds = seconds;
    this.onload = onload; // gets {loaded, total} in bytes while it starts, {ready: true} then; {error}, where it cannot
    this.start();
  }

  start() {
    this.worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    this.ready = new Promise((resolve, reject) => {
      const fail = (why) => {
        this.worker.onmessage = null; // what still loads would write over the error
        reject(new Error(why));
      };
      this.worker.onerror = (event) => fail(event.message || "the worker could not be started");
      this.worker.onmessage = ({ data }) => {
        if (data.kind === "loading") this.onload(data);
        else if (data.kind === "ready") resolve();
        else fail(data.error);
      };
    });
    this.ready.then(() => this.onload({ ready: true }), (error) => this.onload({ error: error.message }));
  }

  // The answer; {stopped: why} where there is none. The time runs from when Python is there, which `onasked` is told.
  async ask(question, onasked) {
    await this.ready;
    onasked();
    return new Promise((resolve) => {
      const end = (why) => {
        clearTimeout(timer);
        this.worker.terminate(); // the one way to end an endless loop: Python and all with it
        this.start();
        resolve({ stopped: why });
      };
      const timer = setTimeout(() => end(`It did not finish within ${this.seconds} s. Is there an endless loop?`), this.seconds * 1000);
      this.stop = () => end("Stopped.");
      this.worker.onerror = (event) => end(`The check ended: ${event.message}`);
      this.worker.onmessage = ({ data }) => {
        if (data.kind !== "answer") return end(`The check ended: ${data.error}`);
        clearTimeout(timer);
        resolve(data.answer);
      };
      this.worker.postMessage(question);
    });
  }
}
