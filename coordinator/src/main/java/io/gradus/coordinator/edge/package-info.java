/// The gRPC edges: stateless services on every node.
///
/// An edge checks a request against the schema and its shape, maps it, asks the run, maps the
/// answer back. Every refusal is a status with `google.rpc.ErrorInfo`, so that clients branch on a
/// reason and never on text. Token payloads pass between worker, ledger and learner here, and never
/// through Akka.
@NullMarked
package io.gradus.coordinator.edge;

import org.jspecify.annotations.NullMarked;
