import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ('meters', '0005_snapshots'),
        ('monitoring', '0001_incidents_and_alerts'),
    ]

    operations = [
        migrations.AddField(
            model_name='incident',
            name='area',
            field=models.ForeignKey(help_text="Whose it is; none: all's.", null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='meters.area', verbose_name='area'),
        ),
        migrations.AddField(
            model_name='incident',
            name='check_name',
            field=models.CharField(blank=True, help_text='Of the check that found it.', max_length=80),
        ),
        migrations.AddField(
            model_name='incident',
            name='comebacks',
            field=models.PositiveIntegerField(default=0, help_text='How often it came back shortly after it was over.'),
        ),
        migrations.AddField(
            model_name='incident',
            name='shown_at',
            field=models.DateTimeField(help_text='Since when nothing keeps it from being told.', null=True),
        ),
        migrations.AddField(
            model_name='incident',
            name='snoozed_by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='snoozed by'),
        ),
        migrations.AddField(
            model_name='incident',
            name='snoozed_until',
            field=models.DateTimeField(null=True, verbose_name='snoozed until'),
        ),
        migrations.AddField(
            model_name='incident',
            name='unseen_since',
            field=models.DateTimeField(help_text='Since when nobody can see whether it goes on.', null=True),
        ),
        migrations.AddField(
            model_name='incident',
            name='worst',
            field=models.CharField(blank=True, help_text='The worst that it was.', max_length=10),
        ),
        migrations.CreateModel(
            name='IncidentNote',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('looked_after', 'looks after it'), ('left', 'does not look after it any more'), ('said', 'says'), ('snoozed', 'snoozed it'), ('woken', 'ended the snoozing'), ('worse', 'it got worse')], max_length=15, verbose_name='kind')),
                ('at', models.DateTimeField(verbose_name='at')),
                ('text', models.CharField(blank=True, max_length=300, verbose_name='comment')),
                ('until', models.DateTimeField(null=True, verbose_name='until')),
                ('by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='by')),
                ('incident', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='notes', to='monitoring.incident', verbose_name='incident')),
            ],
            options={
                'verbose_name': 'note of an incident',
                'verbose_name_plural': 'notes of incidents',
                'ordering': ['at', 'pk'],
            },
        ),
        migrations.CreateModel(
            name='Look',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('since', models.DateTimeField()),
                ('until', models.DateTimeField(db_index=True)),
                ('area', models.ForeignKey(help_text='None: the site.', null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='meters.area')),
            ],
            options={
                'verbose_name': 'time looked at',
                'verbose_name_plural': 'times looked at',
                'ordering': ['since'],
            },
        ),
    ]
