// What the page may ask for, and nothing else.
const { contextBridge, ipcRenderer } = require("electron");

const readers = new Map();
let lastId = 0;

ipcRenderer.on("models:text", (_event, id, text) => readers.get(id)?.(text));

contextBridge.exposeInMainWorld("models", {
  /** The passages, most similar first, with scores. */
  search: (query, passages) => ipcRenderer.invoke("models:search", query, passages),

  /** Writes on from a prompt, `onText` piece by piece; `stop` ends it early. A `seed` makes it the same each time. */
  write(prompt, onText, { seed } = {}) {
    const id = `page-${++lastId}`;
    readers.set(id, onText);
    const written = ipcRenderer
      .invoke("models:write", id, { prompt, seed })
      .finally(() => readers.delete(id));
    return { written, stop: () => ipcRenderer.send("models:stop", id) };
  },
});
