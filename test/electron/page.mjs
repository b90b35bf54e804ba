// The example from the page's side: starts its main process and preload script, uses what the page is given,
// and prints what came of it. Run in a copy of the example.
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

const require = createRequire(path.join(process.cwd(), "main.mjs"));
const { app, BrowserWindow, exposed, utilityProcess } = require("electron");

await import(pathToFileURL(path.resolve("main.mjs")).href);
require(path.resolve("preload.cjs"));
const { models } = exposed;

const passages = [
  "A bird that cannot fly.",
  "A small boat moved by oars.",
  "A building where bread is baked.",
];
const found = await models.search("a little ship", passages);

const pieces = [];
const whole = await models.write("The whale", (text) => pieces.push(text), { seed: 7 }).written;

// Stopped at the first piece.
const begun = [];
const onText = (text) => {
  begun.push(text);
  stopped.stop();
};
const stopped = models.write("The sea", onText, { seed: 7 });
const part = await stopped.written;

const failure = await models.search("a little ship", [5]).catch(({ message, code }) => ({ message, code }));

// The process does not answer, and is lost; the next request starts another.
const [first] = utilityProcess.forked;
first.postMessage = () => {};
const lost = models.search("a little ship", passages).catch(({ message }) => message);
first.kill("SIGKILL");
const lostMessage = await lost;
const again = await models.search("a little ship", passages);

app.emit("window-all-closed");
const { options, file } = BrowserWindow.opened[0];
console.log(
  JSON.stringify({
    found,
    pieces,
    whole,
    begun,
    part,
    failure,
    lostMessage,
    again,
    processes: utilityProcess.forked.length,
    webPreferences: options.webPreferences,
    file,
  }),
);
