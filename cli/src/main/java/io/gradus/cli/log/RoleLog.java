package io.gradus.cli.log;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.encoder.PatternLayoutEncoder;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.OutputStreamAppender;
import ch.qos.logback.core.encoder.Encoder;
import java.io.FilterOutputStream;
import java.io.OutputStream;
import java.util.List;
import org.slf4j.LoggerFactory;

/// The log of a role process: one event a line on its standard error, for a person or a machine.
public final class RoleLog implements AutoCloseable {

  private static final String PATTERN =
      "%d{yyyy-MM-dd'T'HH:mm:ss.SSS'Z', UTC} %-5level %logger{0} %msg %kvp%n%ex";

  /// Libraries whose lifecycle is none of an operator's business.
  private static final List<String> QUIET = List.of("akka", "com.zaxxer.hikari", "org.flywaydb");

  /// Who belongs to the cluster is.
  private static final String MEMBERSHIP = "akka.cluster.Cluster";

  private static final String SHARD_REGION = "akka.cluster.sharding.ShardRegion";

  /// Who reads the lines.
  public enum Reader {
    PERSON,
    MACHINE
  }

  private final OutputStreamAppender<ILoggingEvent> appender;

  private RoleLog(OutputStreamAppender<ILoggingEvent> appender) {
    this.appender = appender;
  }

  /// Sends every event from now on to `out`.
  public static RoleLog open(OutputStream out, Reader reader) {
    var context = (LoggerContext) LoggerFactory.getILoggerFactory();
    Encoder<ILoggingEvent> encoder =
        switch (reader) {
          case PERSON -> {
            var lines = new PatternLayoutEncoder();
            lines.setPattern(PATTERN);
            yield lines;
          }
          case MACHINE -> new JsonLineEncoder();
        };
    encoder.setContext(context);
    encoder.start();
    var appender = new OutputStreamAppender<ILoggingEvent>();
    appender.setContext(context);
    appender.setName("role");
    appender.setEncoder(encoder);
    // The appender closes its stream with itself, and this one is the process's.
    appender.setOutputStream(
        new FilterOutputStream(out) {
          @Override
          public void close() {}
        });
    appender.start();
    context.getLogger(Logger.ROOT_LOGGER_NAME).addAppender(appender);
    QUIET.forEach(library -> context.getLogger(library).setLevel(Level.WARN));
    // Several times a second it says that it waits for the cluster, which NodeWatch says once.
    context.getLogger(SHARD_REGION).setLevel(Level.ERROR);
    context.getLogger(MEMBERSHIP).setLevel(Level.INFO);
    return new RoleLog(appender);
  }

  @Override
  public void close() {
    var context = (LoggerContext) LoggerFactory.getILoggerFactory();
    context.getLogger(Logger.ROOT_LOGGER_NAME).detachAppender(appender);
    appender.stop();
  }
}
