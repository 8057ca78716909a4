"use strict";
// The original three calls, kept in memory: publish, receive, delete.  A message that was received and not deleted in
// time can be received again, at its old place.
const express = require("express");

const LEASE = 30_000; // milliseconds

class Queue {
  constructor() {
    this.lastId = 0;
    this.ready = []; // from `first` on
    this.first = 0;
    this.returned = []; // whose lease has ended; few
    this.leases = new Map(); // id => {consumer, message, timer}
  }

  publish(body) {
    const message = { id: ++this.lastId, body };
    this.ready.push(message);
    return message.id;
  }

  next() {
    if (this.returned.length > 0) return this.returned.shift();
    if (this.first === this.ready.length) return undefined;
    const message = this.ready[this.first];
    this.ready[this.first++] = undefined;
    // Cut off what was taken, so rarely that it costs nothing.
    if (this.first >= 65536 && this.first * 2 > this.ready.length) {
      this.ready = this.ready.slice(this.first);
      this.first = 0;
    }
    return message;
  }

  receive(consumer, limit) {
    const messages = [];
    while (messages.length < limit) {
      const message = this.next();
      if (message === undefined) break;
      const timer = setTimeout(() => this.expire(message), LEASE);
      this.leases.set(message.id, { consumer, timer });
      messages.push(message);
    }
    return messages;
  }

  expire(message) {
    this.leases.delete(message.id);
    this.returned.push(message);
    this.returned.sort((one, other) => one.id - other.id);
  }

  delete(consumer, id) {
    const lease = this.leases.get(id);
    if (lease === undefined || lease.consumer !== consumer) return false;
    clearTimeout(lease.timer);
    return this.leases.delete(id);
  }
}

const queue = new Queue();
const app = express();
app.use(express.json({ strict: false, limit: "1mb" }));

app.post("/v1/publish", (request, response) => {
  response.status(201).json({ messageId: queue.publish(request.body) });
});

app.get("/v1/consumer", (request, response) => {
  response.json(queue.receive(request.query.cid, Number(request.query.limit ?? 10)));
});

app.delete("/v1/consumer", (request, response) => {
  response.json(queue.delete(request.query.cid, Number(request.query.id)));
});

const server = app.listen(0, "127.0.0.1", (error) => {
  if (error) throw error;
  console.log(`Serving http://127.0.0.1:${server.address().port}`);
});
