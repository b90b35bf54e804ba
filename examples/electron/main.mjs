// The main process: opens the window and passes requests on to the process that has the models.
import { fileURLToPath } from "node:url";
import { app, BrowserWindow, ipcMain, utilityProcess } from "electron";
import { Inference } from "./inference-client.mjs";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

/** Started at the first request, and again after a crash: the window stays. */
const inference = new Inference(() => utilityProcess.fork(here("inference.mjs")));

ipcMain.handle("models:search", (_event, query, passages) => inference.call("search", { query, passages }));
ipcMain.handle("models:write", (event, id, parameters) => {
  const onText = (text) => {
    if (!event.sender.isDestroyed()) event.sender.send("models:text", id, text);
  };
  return inference.call("write", parameters, { id, onText });
});
ipcMain.on("models:stop", (_event, id) => inference.stop(id));

async function openWindow() {
  const window = new BrowserWindow({
    width: 800,
    height: 640,
    webPreferences: { preload: here("preload.cjs"), contextIsolation: true, sandbox: true },
  });
  await window.loadFile(here("index.html"));
}

app.on("window-all-closed", () => {
  inference.close();
  app.quit();
});
await app.whenReady();
await openWindow();
