// The main process's side of the process that has the models: numbered requests, and their answers.

export class Inference {
  #start;
  #child;
  #pending = new Map();
  #lastId = 0;

  /** `start` starts the process, as `utilityProcess.fork` does. */
  constructor(start) {
    this.#start = start;
  }

  /** Resolves with the answer; `onText` is given what arrives before it. */
  call(method, parameters, { id = `main-${++this.#lastId}`, onText } = {}) {
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject, onText });
      this.#running().postMessage({ id, method, parameters });
    });
  }

  /** Ends the work of a request early; it is answered with what there is. */
  stop(id) {
    this.#child?.postMessage({ id, method: "stop" });
  }

  close() {
    this.#child?.kill();
  }

  #running() {
    if (this.#child !== undefined) return this.#child;
    const child = this.#start();
    this.#child = child;
    child.on("message", (message) => this.#receive(message));
    child.on("exit", (code) => this.#lost(code));
    return child;
  }

  #receive({ id, text, result, error }) {
    const request = this.#pending.get(id);
    if (text !== undefined) {
      request?.onText?.(text);
      return;
    }
    this.#pending.delete(id);
    if (error === undefined) request?.resolve(result);
    else request?.reject(Object.assign(new Error(error.message), { code: error.code }));
  }

  /** Whatever ended the process ends what it was asked; the next request starts another. */
  #lost(code) {
    this.#child = undefined;
    for (const { reject } of this.#pending.values()) {
      reject(new Error(`The process with the models ended with code ${code}`));
    }
    this.#pending.clear();
  }
}
