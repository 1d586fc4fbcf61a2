// Package hook carries offers and news of trips to people who are connected nowhere, by
// way of the county's own SMS or push gateway.
//
// It sends signed HTTP requests as the Standard Webhooks specification has it
// (https://www.standardwebhooks.com): the headers webhook-id, webhook-timestamp and
// webhook-signature, the last "v1," and the HMAC-SHA-256 of id, timestamp and body.
// What is told is never delayed by it: [Hook.Tell] puts letters into a bounded list,
// from which a few workers send them.
package hook
