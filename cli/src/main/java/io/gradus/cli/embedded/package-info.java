/// All roles of Gradus in this process, talking over the same gRPC services as between machines.
///
/// Nothing here knows what a role does: it starts them, notices when one dies, and ends them in the
/// reverse order.
@NullMarked
package io.gradus.cli.embedded;

import org.jspecify.annotations.NullMarked;
