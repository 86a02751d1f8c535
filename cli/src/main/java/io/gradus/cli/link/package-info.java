/// How this process reaches coordinators on other hosts, and tells others how it is.
///
/// Clients name all coordinators and use one at a time; any of them serves any run.
@NullMarked
package io.gradus.cli.link;

import org.jspecify.annotations.NullMarked;
