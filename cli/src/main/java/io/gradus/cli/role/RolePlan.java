package io.gradus.cli.role;

/// Settings that were found right: what a role will be.
public interface RolePlan {

  /// The settings as YAML, with the origin of each value; secrets are masked.
  String explained();

  /// Begins the role.
  ///
  /// @throws RoleException when it cannot begin
  Role start() throws RoleException;
}
