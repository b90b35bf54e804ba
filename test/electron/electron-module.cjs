// Stands in for Electron's own module, of which no binary can be had where these tests run: registers what the
// example registers and carries its messages, copied as Electron copies them. A utility process is a real
// process, in which the example's own file runs.
"use strict";
const { fork } = require("node:child_process");
const { EventEmitter } = require("node:events");
const path = require("node:path");

const handlers = new Map();
const listeners = new Map();

const app = Object.assign(new EventEmitter(), {
  whenReady: async () => {},
  quit: () => app.emit("quit"),
});

/** The only window's page; messages to it are handed to the preload script. */
const page = {
  isDestroyed: () => false,
  send: (channel, ...args) => ipcRenderer.emit(channel, {}, ...structuredClone(args)),
};

class BrowserWindow {
  static opened = [];

  constructor(options) {
    this.options = options;
    this.webContents = page;
    BrowserWindow.opened.push(this);
  }

  async loadFile(file) {
    this.file = file;
  }
}

const ipcMain = {
  handle: (channel, handler) => handlers.set(channel, handler),
  on: (channel, listener) => listeners.set(channel, listener),
};

const ipcRenderer = Object.assign(new EventEmitter(), {
  async invoke(channel, ...args) {
    const handler = handlers.get(channel);
    if (handler === undefined) throw new Error(`No handler registered for '${channel}'`);
    return structuredClone(await handler({ sender: page }, ...structuredClone(args)));
  },
  send: (channel, ...args) => listeners.get(channel)({ sender: page }, ...structuredClone(args)),
});

const exposed = {};
const contextBridge = { exposeInMainWorld: (name, value) => (exposed[name] = value) };

const utilityProcess = {
  forked: [],
  fork(file) {
    const execArgv = ["--require", path.join(__dirname, "parent-port.cjs")];
    const child = fork(file, [], { execArgv, serialization: "advanced" });
    child.postMessage = (message) => child.send(message);
    utilityProcess.forked.push(child);
    return child;
  },
};

module.exports = { app, BrowserWindow, contextBridge, exposed, ipcMain, ipcRenderer, utilityProcess };
