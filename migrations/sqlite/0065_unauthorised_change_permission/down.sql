UPDATE role SET permissions = replace(replace(replace(replace(permissions, ',"unauthorised_change.report"', ''),
    ',"unauthorised_change.settle"', ''), ',"unauthorised_change.read"', ''), ',"unauthorised_change.*"', '');
