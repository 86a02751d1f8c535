/// What a run leaves for people and scripts: `metrics.jsonl`, `summary.json`, `report.html`.
///
/// The report is computed from the other two, so that a run that was killed and resumed has one
/// report, and a report can be made again from a directory alone.
@NullMarked
package io.gradus.cli.report;

import org.jspecify.annotations.NullMarked;
