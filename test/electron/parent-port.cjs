// What Electron gives a utility process to talk to its parent with; messages wait for the first listener.
"use strict";
const { EventEmitter } = require("node:events");

const parentPort = Object.assign(new EventEmitter(), { postMessage: (message) => process.send(message) });
parentPort.once("newListener", () => process.on("message", (data) => parentPort.emit("message", { data })));
process.parentPort = parentPort;
