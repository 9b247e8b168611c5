import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ('meters', '0005_snapshots'),
        ('monitoring', '0002_incidents_hidden_and_noted'),
    ]

    operations = [
        migrations.CreateModel(
            name='MaintenanceWindow',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('component', models.CharField(blank=True, choices=[('networks', 'Zigbee networks and meters'), ('broker', 'MQTT broker'), ('worker', 'MQTT worker'), ('jobs', 'background jobs'), ('bookings', 'booking system'), ('storage', 'database, disks and Redis'), ('alerts', 'alerts and checks'), ('neighbours', 'what stands beside us')], max_length=20, verbose_name='part')),
                ('from_at', models.DateTimeField(verbose_name='from')),
                ('to_at', models.DateTimeField(verbose_name='until')),
                ('why', models.CharField(max_length=200, verbose_name='why')),
                ('made_at', models.DateTimeField(auto_now_add=True, verbose_name='made')),
                ('area', models.ForeignKey(blank=True, help_text='Neither area nor part: the whole site.', null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='meters.area', verbose_name='area')),
                ('by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='by')),
            ],
            options={
                'verbose_name': 'maintenance window',
                'verbose_name_plural': 'maintenance windows',
                'ordering': ['-from_at'],
                'constraints': [models.CheckConstraint(condition=models.Q(('to_at__gt', models.F('from_at'))), name='window_ends_after_it_began'), models.CheckConstraint(condition=models.Q(('area', None), ('component', ''), _connector='OR'), name='window_of_one_thing')],
            },
        ),
    ]
